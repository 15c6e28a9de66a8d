use bias_core::{ModelDims, UnitKind};
use bias_mask::Mask;

use crate::Experiment;
use crate::results::{Strategy, TrainedOn};

/// A mask to test, with what it is called by.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// How it was found, such as `signed-gap`.
    pub method: String,
    /// What it prunes.
    pub unit: UnitKind,
    /// Its budget in words, such as `0.2%` or `4 heads`.
    pub budget: String,
    /// What it was made from: decides where it is tested.
    pub trained_on: TrainedOn,
    /// What to prune.
    pub mask: Mask,
}

impl Candidate {
    /// What results say of it, not yet tested.
    pub(crate) fn strategy(&self, dims: &ModelDims) -> Strategy {
        let weights = self.mask.count();
        Strategy {
            id: format!("{}/{}/{}", self.trained_on, self.method, self.budget),
            experiment: Experiment::Transfer,
            method: self.method.clone(),
            unit: self.unit,
            trained_on: self.trained_on.clone(),
            budget: self.budget.clone(),
            weights,
            share: weights as f64 / dims.prunable_weights() as f64,
            mask: self.mask.digest(),
            perplexity_change: None,
        }
    }
}
