use bias_mask::Mask;
use bias_types::{ModelDims, UnitKind};

use crate::results::{Experiment, Plan, Strategy, TrainedOn};

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

/// Leaves those of a job's masks that a plan tries.
pub(crate) fn keep(plan: Plan, candidates: &mut Vec<Candidate>) {
    let is_head = |own: &Candidate| own.unit == UnitKind::Head;
    match plan {
        Plan::Full => {}
        Plan::Short => candidates.retain(|own| is_head(own) || stands_in(&SHORT, own)),
        Plan::Core => {
            // The budget that reports show is the one with a random control.
            let control = candidates.iter().find(|own| own.method == "random-heads");
            let budget = control.map(|own| own.budget.clone());
            candidates.retain(|own| match is_head(own) {
                true => budget.as_ref().is_none_or(|budget| *budget == own.budget),
                false => stands_in(&CORE, own),
            });
        }
    }
}

fn stands_in(all: &[(&str, &str)], own: &Candidate) -> bool {
    all.contains(&(own.method.as_str(), own.budget.as_str()))
}

const SHORT: [(&str, &str); 8] = [
    ("random", "as wanda 15%"),
    ("random", "as signed gap 0.2%"),
    ("random", "as gap pursuit"),
    ("wanda-b-a", "15%"),
    ("wanda-a-b", "15%"),
    ("signed-gap", "0.05%"),
    ("signed-gap", "0.2%"),
    ("gap-pursuit", "≤ 1%"),
];
const CORE: [(&str, &str); 6] = [
    ("random", "as wanda 15%"),
    ("random", "as signed gap 0.2%"),
    ("random", "as gap pursuit"),
    ("wanda-b-a", "15%"),
    ("signed-gap", "0.2%"),
    ("gap-pursuit", "≤ 1%"),
];
