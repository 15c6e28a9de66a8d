use std::fmt;

use serde::{Deserialize, Serialize};

/// What a distribution over answers is summed up by.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// The expected value `E = Σ p v / Σ p` over the answers that have one, in their own unit.
    #[default]
    Mean,
    /// The same of answers that are all there is to choose among: of a choice whose favourable
    /// options are worth 1 and the others 0, the share that favourable ones have. The probabilities
    /// are the model's own: at temperature 1.
    Share,
    /// The log-odds `ln Σ p v − ln Σ p (1 − v)`, `v` being 1 for what is favourable and 0 for what
    /// is not. In nats. The probabilities are the model's own: at temperature 1.
    LogOdds {
        /// Whether `p` is the geometric mean over an answer's tokens instead of their product,
        /// so that long answers are not held to be improbable for their length.
        per_token: bool,
    },
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Mean => "mean",
            Self::Share => "share",
            Self::LogOdds { per_token: false } => "log-odds",
            Self::LogOdds { per_token: true } => "log-odds per token",
        })
    }
}
