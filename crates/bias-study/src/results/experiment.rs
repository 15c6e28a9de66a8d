use std::fmt;

use serde::{Deserialize, Serialize};

/// A question that a study can answer.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Experiment {
    /// How biased is the model, what carries the bias, and how far does pruning it carry over? The
    /// paper's three experiments.
    #[default]
    Transfer,
    /// Is the bias in some layers? As many weights are pruned in one layer at a time.
    Layers,
    /// Does anything other than zeroing weights remove the bias, and carry over better?
    Alternatives,
    /// Which groups of names differ, within and across the two that are compared?
    Groups,
}

impl Experiment {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Transfer, Self::Layers, Self::Alternatives, Self::Groups];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Transfer => "transfer",
            Self::Layers => "layers",
            Self::Alternatives => "alternatives",
            Self::Groups => "groups",
        }
    }
}

impl fmt::Display for Experiment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
