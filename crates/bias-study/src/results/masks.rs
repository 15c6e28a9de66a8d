use bias_types::model::Sublayer;
use bias_types::prompt::Context;
use serde::{Deserialize, Serialize};

use super::budget::Budget;

/// The agreement of two masks of one method and budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContextOverlap {
    /// The method of both.
    pub method: String,
    /// Their budget.
    pub budget: Budget,
    /// The prompts that they were made from.
    pub contexts: [Context; 2],
    /// The number of weights in both masks divided by that in either; absent if a mask is empty.
    pub jaccard: Option<f64>,
    /// Its expectation for random masks with as many weights in every matrix.
    pub jaccard_by_chance: Option<f64>,
    /// The number of weights in both masks divided by that in the smaller one.
    pub coefficient: Option<f64>,
    /// Its expectation for such random masks.
    pub coefficient_by_chance: Option<f64>,
}

/// The part of a mask in one half of one layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Location {
    /// [`Strategy::id`](super::Strategy::id).
    pub strategy: String,
    /// Layer, from 0.
    pub layer: usize,
    /// Attention or MLP.
    pub sublayer: Sublayer,
    /// The number of weights chosen there.
    pub chosen: usize,
    /// The mean number of weights that a random mask of the same size would choose there.
    pub expected: f64,
    /// Standard deviation of that number.
    pub deviation: f64,
}
