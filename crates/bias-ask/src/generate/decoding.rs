use serde::{Deserialize, Serialize};

use super::sampling::Sampling;

/// How answers are taken from the model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decoding {
    /// One answer, which takes the most probable token at each step.
    Greedy,
    /// Independent draws. Draws with a common beginning share its computation.
    Sampled {
        /// The number of answers per prompt.
        samples: u32,
        /// Runs with the same seed agree, whatever the batch size and the number of threads (unless
        /// f32 rounding, of the order of 1e-7, decides a draw).
        seed: u64,
    },
    /// Every answer with its probability, breadth first, until no more than `unexplored` is left.
    /// If that would cost more than `tokens`, improbable paths are sampled instead: the explored
    /// answers keep their exact probability, and the drawn ones stand for the rest, without bias
    /// ([`draw`](super::Answer::draw)).
    Exact {
        /// The probability per prompt that may be left unexplored.
        unexplored: f64,
        /// The most tokens of a prompt's answers that may be run.
        tokens: usize,
        /// The seed of the draws beyond the budget.
        seed: u64,
    },
}

/// The default budget of exact decoding per prompt: about the cost of 100 samples of 16 tokens with
/// common beginnings.
pub const BUDGET: usize = 1200;

impl Decoding {
    /// Explores all but a thousandth of the probability: [`exact_within`](Self::exact_within)
    /// 0.001.
    #[must_use]
    pub fn exact() -> Self {
        Self::exact_within(1e-3)
    }

    /// Explores all but this much of the probability, within a [`BUDGET`].
    #[must_use]
    pub fn exact_within(unexplored: f64) -> Self {
        Self::Exact { unexplored, tokens: BUDGET, seed: 0 }
    }
}

/// Settings for all prompts of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecodeOptions {
    /// How the next token is drawn.
    pub sampling: Sampling,
    /// Tokens that end an answer.
    pub stop: Vec<u32>,
    /// Answers are cut after this many tokens.
    pub max_new_tokens: usize,
    /// The number of prompts that run together.
    pub batch_rows: usize,
    /// The number of batches that run side by side: 1 on an accelerator, the number of cores on a
    /// CPU.
    pub threads: usize,
}
