use bias_core::ParamScores;
use bias_mask::{Mask, MaskError, top_difference};
use serde::{Deserialize, Serialize};

/// Which group's important weights are taken, less the other's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Important for A and not for B.
    AWithoutB,
    /// Important for B and not for A.
    BWithoutA,
}

impl Direction {
    /// What is taken, then what is spared.
    pub(crate) fn order<T>(self, a: T, b: T) -> (T, T) {
        match self {
            Self::AWithoutB => (a, b),
            Self::BWithoutA => (b, a),
        }
    }

    pub(crate) fn mask(self, a: &[ParamScores], b: &[ParamScores], fraction: f64) -> Result<Mask, MaskError> {
        let (taken, spared) = self.order(a, b);
        top_difference(taken, spared, fraction)
    }
}
