use bias_frameworks::Framework;

use crate::results::{Changed, Control};
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

/// Whether a framework measures what a model can do.
pub(super) fn is_capability(framework: Framework) -> bool {
    !framework.is_bias() && framework != Framework::Recognition
}
