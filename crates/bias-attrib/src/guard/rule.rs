use std::fmt;

use bias_probe::{DifferentiableModel, Sequence};
use burn::tensor::backend::AutodiffBackend;
use serde::{Deserialize, Serialize};

use super::measured::MeasuredGuard;
use super::neutral_cost::NeutralCost;
use crate::error::AttribError;

/// A price of pruning a weight on neutral text: see [`NeutralCost`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Cost {
    /// `|W · ∂L/∂W|`, in nats per token. It vanishes wherever the loss is flat at first, however
    /// large the weight is.
    FirstOrder,
    /// `½ W² F`, in nats per token.
    SecondOrder,
    /// `|W|` times the norm of its input: the change of the matrix's output. It needs no
    /// gradient, so it also sees weights whose gradient says nothing.
    Output,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirstOrder => "first-order",
            Self::SecondOrder => "second-order",
            Self::Output => "output",
        })
    }
}

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
            weights: other.weights.or(self.weights),
            channels: other.channels.or(self.channels),
        }
    }

    /// Measures what the rules need: one pass back and forth per neutral text, `threads` of them
    /// side by side.
    ///
    /// # Errors
    /// As [`NeutralCost::each`].
    pub fn measure<B: AutodiffBackend, M: DifferentiableModel<B>>(
        &self,
        model: &M,
        neutral: &[Sequence],
        threads: usize,
    ) -> Result<MeasuredGuard, AttribError> {
        let costs = NeutralCost::default().with_threads(threads);
        MeasuredGuard::new(*self, model.dims(), |take| costs.each(model, neutral, take))
    }
}

fn checked(share: f64) -> Result<f64, AttribError> {
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(AttribError::Share { share }) }
}
