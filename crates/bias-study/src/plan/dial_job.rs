use serde::Serialize;

use crate::results::{Approach, Seen};

/// A unit of work of the generalization protocol: one approach on what it may see, dialled to every
/// limit of damage. Everything here decides what is found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct DialJob {
    pub approach: Approach,
    pub seen: Seen,
    /// Whether groups are shuffled over names: the placebo.
    pub shuffled: bool,
    /// The most that log-loss may rise, in nats per token, limit by limit.
    pub limits: Vec<f64>,
    /// The largest share of all prunable weights.
    pub most: f64,
    /// The most probes for each limit.
    pub probes: usize,
    /// The digest of the texts of the capability tasks, if damage is measured on some.
    pub tasks: Option<String>,
    /// The digest of the planted units, if the approach is the truth.
    pub truth: Option<String>,
}
