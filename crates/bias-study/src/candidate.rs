use bias_core::UnitKind;
use bias_mask::Mask;

use crate::results::TrainedOn;

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
