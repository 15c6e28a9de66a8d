use std::fmt;

use bias_core::UnitKind;
use serde::{Deserialize, Serialize};

use crate::Candidate;
use crate::results::Scope;

/// How much a study tries. A fuller plan goes on where a shorter one of the same study ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// The contexts of the named experiments only, and few masks of weights.
    Short,
    /// Every context, and of every method one budget beside its random control, which is tested in the context it was made for alone; neither
    /// masks made from one variation nor from all contexts.
    Core,
    /// Everything.
    #[default]
    Full,
}

impl Plan {
    /// All of them, the fullest first.
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

    /// Whether a method's masks are tested in such a scope.
    pub(crate) fn tests(self, method: &str, scope: Scope) -> bool {
        let at_home = matches!(scope, Scope::Attributed | Scope::HeldOut);
        self != Self::Core || at_home || !method.starts_with("random")
    }

    /// Leaves those of a job's masks that it tries.
    pub(crate) fn keep(self, candidates: &mut Vec<Candidate>) {
        let is_head = |own: &Candidate| own.unit == UnitKind::Head;
        match self {
            Self::Full => {}
            Self::Short => candidates.retain(|own| is_head(own) || stands_in(&SHORT, own)),
            Self::Core => {
                // The budget that reports show is the one with a random control.
                let control = candidates.iter().find(|own| own.method == "random-heads");
                let budget = control.map(|own| own.budget.clone());
                candidates.retain(|own| match is_head(own) {
                    true => budget.as_ref().is_none_or(|budget| *budget == own.budget),
                    false => stands_in(&CORE, own),
                });
            }
        }
    }
}

fn stands_in(all: &[(&str, &str)], own: &Candidate) -> bool {
    all.contains(&(own.method.as_str(), own.budget.as_str()))
}

const SHORT: [(&str, &str); 8] = [
    ("random", "as wanda 15%"),
    ("random", "as signed gap 0.2%"),
    ("random", "as gap pursuit"),
    ("wanda-b-a", "15%"),
    ("wanda-a-b", "15%"),
    ("signed-gap", "0.05%"),
    ("signed-gap", "0.2%"),
    ("gap-pursuit", "≤ 1%"),
];
const CORE: [(&str, &str); 6] = [
    ("random", "as wanda 15%"),
    ("random", "as signed gap 0.2%"),
    ("random", "as gap pursuit"),
    ("wanda-b-a", "15%"),
    ("signed-gap", "0.2%"),
    ("gap-pursuit", "≤ 1%"),
];

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
