use bias_types::model::Sublayer;
use bias_types::prompt::Context;
use serde::{Deserialize, Serialize};

use super::budget::Budget;

/// How far two masks of one method and budget agree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContextOverlap {
    /// How both were found.
    pub method: String,
    /// Their budget.
    pub budget: Budget,
    /// What they were made from.
    pub contexts: [Context; 2],
    /// Weights in both over weights in either; absent when a mask is empty.
    pub jaccard: Option<f64>,
    /// The same expected of random masks with as many weights in every matrix.
    pub jaccard_by_chance: Option<f64>,
    /// Weights in both over weights in the smaller.
    pub coefficient: Option<f64>,
    /// The same expected of such random masks.
    pub coefficient_by_chance: Option<f64>,
}

/// How much of a mask lies in one half of one layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Location {
    /// [`Strategy::id`](super::Strategy::id).
    pub strategy: String,
    /// Layer, from 0.
    pub layer: usize,
    /// Attention or MLP.
    pub sublayer: Sublayer,
    /// Weights chosen there.
    pub chosen: usize,
    /// Weights that a random mask of the same size would choose there, on average.
    pub expected: f64,
    /// Standard deviation of that number.
    pub deviation: f64,
}
