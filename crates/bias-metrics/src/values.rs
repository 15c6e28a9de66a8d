use std::fmt;

use serde::{Deserialize, Serialize};

use crate::NameMoments;

/// Which group a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// The group that a positive difference favours (white-associated names in
    /// arXiv 2502.07771).
    A,
    /// The group it is compared with.
    B,
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::B => "B",
        })
    }
}

/// What the weights of answers mean, hence what a variance divides by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weighting {
    /// Weights count sampled answers: variances divide by n − 1.
    Draws,
    /// Weights are exact answer probabilities per name: variances divide by the total
    /// weight, because no sampling is left.
    Probability,
}

/// One name's answers to one variation of a prompt.
///
/// Weights are counts or probabilities, as [`Weighting`] says; what did not parse and
/// what was not looked at is kept beside them in the same unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NameAnswers {
    /// The group of the name.
    pub arm: Arm,
    /// `(value, weight)` of each answer that parses to a number, in any order.
    pub values: Vec<(f64, f64)>,
    /// Weight of the answers that parse to no number.
    pub unparsed: f64,
    /// Probability that an exact search left unexplored; 0 for draws.
    pub unexplored: f64,
}

impl NameAnswers {
    /// Weight, mean and squared deviations of the parsed values.
    ///
    /// Never fails: a NaN among the values makes the moments NaN, which
    /// [`smd`](crate::smd()) reports.
    #[must_use]
    pub fn moments(&self) -> NameMoments {
        NameMoments::of(self.arm, &self.values)
    }

    /// Weight of the parsed values.
    #[must_use]
    pub fn parsed(&self) -> f64 {
        self.values.iter().map(|v| v.1).sum()
    }
}

/// The values of all names together.
pub(crate) fn pooled(answers: &[NameAnswers]) -> Vec<(f64, f64)> {
    answers.iter().flat_map(|a| a.values.iter().copied()).collect()
}
