use serde::{Deserialize, Serialize};

/// Which group's important weights are taken, less the other's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetDifference {
    /// Important for A and not for B.
    AWithoutB,
    /// Important for B and not for A.
    BWithoutA,
}

impl SetDifference {
    /// What is taken, then what is spared.
    pub(crate) fn order<T>(self, a: T, b: T) -> (T, T) {
        match self {
            Self::AWithoutB => (a, b),
            Self::BWithoutA => (b, a),
        }
    }
}
