use std::fmt;

use serde::{Deserialize, Serialize};

/// The group that a name stands for.
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
