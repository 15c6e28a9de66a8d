use std::fmt;

use serde::{Deserialize, Serialize};

/// How a distribution over answers becomes one number.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// The expected value `E = Σ p v / Σ p` over the answers that have a value, in their unit.
    #[default]
    Mean,
    /// The expected value over a closed set of answers, as for a choice: favourable options are
    /// worth 1 and the others 0, so this is the share of the favourable ones. The probabilities are
    /// those of the model at temperature 1.
    Share,
    /// The log-odds `ln Σ p v − ln Σ p (1 − v)` in nats, where `v` is 1 for favourable options and
    /// 0 for the others. The probabilities are those of the model at temperature 1.
    LogOdds {
        /// Whether `p` is the geometric mean over an answer's tokens instead of their product. A
        /// long answer then does not count as improbable because of its length.
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
