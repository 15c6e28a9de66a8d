use serde::{Deserialize, Serialize};

/// The group whose important weights are taken, without the other's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetDifference {
    /// Important for A and not for B.
    AWithoutB,
    /// Important for B and not for A.
    BWithoutA,
}

impl SetDifference {
    /// The group to take, then the group to spare.
    pub(crate) fn order<T>(self, a: T, b: T) -> (T, T) {
        match self {
            Self::AWithoutB => (a, b),
            Self::BWithoutA => (b, a),
        }
    }
}
