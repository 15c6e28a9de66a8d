use serde::{Deserialize, Serialize};

use super::sampling::Sampling;

/// How answers are taken from the model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decoding {
    /// The one answer that takes the most probable token at each step.
    Greedy,
    /// Independent draws. Draws that begin alike share their computation.
    Sampled {
        /// How many answers per prompt.
        samples: u32,
        /// Two runs with one seed agree, whatever the batch size and number of threads
        /// (unless f32 rounding, of the order of 1e-7, decides a draw).
        seed: u64,
    },
    /// Every answer with its probability, breadth first, until no more than `unexplored` is left.
    /// Where that would cost more than `tokens`, what is improbable is drawn from instead: the
    /// answers explored keep their exact probability, and those drawn stand for the rest, without
    /// bias ([`draw`](super::Answer::draw)).
    Exact {
        /// How much probability may be left unexplored per prompt.
        unexplored: f64,
        /// How many tokens of a prompt's answers may be run.
        tokens: usize,
        /// Of what is drawn where the budget does not reach.
        seed: u64,
    },
}

/// What exact decoding may spend on a prompt, unless set otherwise: about what 100 samples of 16
/// tokens run, which begin alike.
pub const BUDGET: usize = 1200;

impl Decoding {
    /// All but a thousandth of the probability: [`exact_within`](Self::exact_within) 0.001.
    #[must_use]
    pub fn exact() -> Self {
        Self::exact_within(1e-3)
    }

    /// All but this much of the probability, within a [`BUDGET`].
    #[must_use]
    pub fn exact_within(unexplored: f64) -> Self {
        Self::Exact { unexplored, tokens: BUDGET, seed: 0 }
    }
}

/// What holds for all prompts of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecodeOptions {
    /// How the next token is drawn.
    pub sampling: Sampling,
    /// Tokens that end an answer.
    pub stop: Vec<u32>,
    /// Answers are cut after this many tokens.
    pub max_new_tokens: usize,
    /// Prompts run together.
    pub batch_rows: usize,
    /// Batches run side by side: 1 on an accelerator, the number of cores on a CPU.
    pub threads: usize,
}
