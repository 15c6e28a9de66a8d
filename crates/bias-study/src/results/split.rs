use serde::{Deserialize, Serialize};

/// The variations a number is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Those that attribution may look at.
    Attribution,
    /// Those it never sees.
    HeldOut,
}
