use std::fmt;

use serde::{Deserialize, Serialize};

/// The extent of a study. A fuller plan continues where a shorter one of the same study ended.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Plan {
    /// The contexts of the named experiments only, and few masks of weights.
    Short,
    /// Every context, and every method at one budget with its random control, which is tested only
    /// in the context it was made for. No masks made from one variation or from all contexts.
    Core,
    /// Everything.
    #[default]
    Full,
}

impl Plan {
    /// All plans, the fullest first.
    pub const ALL: [Self; 3] = [Self::Full, Self::Core, Self::Short];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Core => "core",
            Self::Full => "full",
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        *self == Self::Full
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
