use bias_frameworks::Framework;

use super::outcomes::Other;
use crate::results::{Absent, Cause, Changed, Control};
use crate::statistics::Tested;
use crate::store::Found;

/// A change with the answers to its tests.
pub(super) struct Kept {
    pub changed: Changed,
    pub found: Found,
    pub tested: Tested,
}

impl Kept {
    /// Whether another is the same with this control.
    pub(super) fn is_beside(&self, other: &Self, control: Control) -> bool {
        let (own, other) = (&self.changed, &other.changed);
        other.control == control
            && (&own.approach, &own.seen) == (&other.approach, &other.seen)
            && own.limit.total_cmp(&other.limit).is_eq()
    }

    /// The name by which benchmarks know it.
    pub(super) fn scored_as(&self) -> &str {
        &self.found.strategy.id
    }
}

/// The placebo of a change. Where the approach makes nothing of shuffled groups, or nothing within
/// the limit, that is the unchanged model. `None` for a placebo itself, for what has none, and where
/// making it failed.
pub(super) fn placebo<'k>(own: &Kept, all: &'k [Kept], absent: &[Absent]) -> Option<Other<'k>> {
    if own.changed.control == Control::Shuffled {
        return None;
    }
    if let Some(other) = all.iter().find(|other| own.is_beside(other, Control::Shuffled)) {
        return Some(Other::Changed(&other.tested));
    }
    let nothing = absent.iter().any(|other| {
        (&other.approach, &other.seen, other.control)
            == (&own.changed.approach, &own.changed.seen, Control::Shuffled)
            && matches!(other.cause, Cause::ChoseNothing | Cause::Refused)
            && other.limit.is_none_or(|limit| limit.total_cmp(&own.changed.limit).is_eq())
    });
    nothing.then_some(Other::Unchanged)
}

/// Whether a framework measures what a model can do.
pub(super) fn is_capability(framework: Framework) -> bool {
    !framework.is_bias() && framework != Framework::Recognition
}
