use serde::{Deserialize, Serialize};

use super::found::Found;
use crate::results::Bound;

/// The reason of a job whose approach chose nothing.
pub(crate) const CHOSE_NOTHING: &str = "it chose nothing to change";

/// What a generalization job made.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct DialFound {
    /// A change for each limit that could be kept.
    pub found: Vec<Dialled>,
    /// The limits that could not be kept, with the reason; without a limit, all of them.
    pub absent: Vec<(Option<f64>, String)>,
}

/// A change at one limit of damage.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Dialled {
    /// The limit, in nats per token.
    pub limit: f64,
    /// The weights zeroed, or the share of an edit.
    pub strength: f64,
    /// What refused a larger strength.
    pub bound: Option<Bound>,
    /// The change.
    pub found: Found,
    /// As many random weights in every matrix.
    pub random: Option<Found>,
}
