use serde::{Deserialize, Serialize};

/// The variations that a number is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// The variations that attribution may see.
    Attribution,
    /// The held-out variations.
    HeldOut,
}
