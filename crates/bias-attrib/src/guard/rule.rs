use super::cost::Cost;
use crate::error::AttribError;

/// Rules that keep weights that neutral text needs out of a mask. Each constructor makes one rule,
/// and [`and`](Self::and) combines them.
///
/// ```
/// use bias_attrib::guard::{Cost, Guard};
///
/// let guard = Guard::sparing(Cost::Output, 0.05)?.and(Guard::sparing_channels(0.01)?);
/// assert!(Guard::sparing(Cost::Output, 1.5).is_err());
/// # let _ = guard;
/// # Ok::<(), bias_attrib::AttribError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Guard {
    pub(super) discount: Option<(Cost, f64)>,
    pub(super) ratio: Option<(Cost, f64)>,
    pub(super) weights: Option<(Cost, f64)>,
    pub(super) channels: Option<f64>,
}

impl Guard {
    /// Subtracts `times` the cost of a weight from its score. A gap's deviation is then worth
    /// `1 / times` nats of neutral log-loss.
    ///
    /// # Errors
    /// [`AttribError::GuardFactor`] unless finite and at least 0.
    pub fn discounting(cost: Cost, times: f64) -> Result<Self, AttribError> {
        if times.is_finite() && times >= 0.0 {
            Ok(Self { discount: Some((cost, times)), ..Self::default() })
        } else {
            Err(AttribError::GuardFactor { factor: times })
        }
    }

    /// Divides the score of a weight by its cost plus `floor` times the mean cost of all weights.
    ///
    /// Pruned in this order, weights give the most of the gap for what they cost together, as far as
    /// costs add up. The floor says how far a cost of nearly 0 is believed: with a large one, scores
    /// stay as they are; with a small one, many weights that hardly matter come first.
    ///
    /// # Errors
    /// [`AttribError::GuardFactor`] unless finite and above 0.
    pub fn per(cost: Cost, floor: f64) -> Result<Self, AttribError> {
        if floor.is_finite() && floor > 0.0 {
            Ok(Self { ratio: Some((cost, floor)), ..Self::default() })
        } else {
            Err(AttribError::GuardFactor { factor: floor })
        }
    }

    /// Leaves out the share of all weights with the largest cost: `⌊share · weights⌋`, over all
    /// matrices together. Of equal costs, those of the matrix that comes first are left out first.
    ///
    /// # Errors
    /// [`AttribError::Share`] outside [0, 1].
    pub fn sparing(cost: Cost, share: f64) -> Result<Self, AttribError> {
        Ok(Self { weights: Some((cost, checked(share)?)), ..Self::default() })
    }

    /// Leaves out all weights that read one of the channels with the largest
    /// [norms](super::MatrixCost::input_norms): `⌊share · channels⌋`, over the inputs of all
    /// matrices together. Matrices with the same input count its channels once.
    ///
    /// # Errors
    /// [`AttribError::Share`] outside [0, 1].
    pub fn sparing_channels(share: f64) -> Result<Self, AttribError> {
        Ok(Self { channels: Some(checked(share)?), ..Self::default() })
    }

    /// Both guards' rules. If both have a rule of one kind, that of `other` counts.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            discount: other.discount.or(self.discount),
            ratio: other.ratio.or(self.ratio),
            weights: other.weights.or(self.weights),
            channels: other.channels.or(self.channels),
        }
    }
}

fn checked(share: f64) -> Result<f64, AttribError> {
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(AttribError::Share { share }) }
}
