//! What is dialled: masks of more or fewer weights, and edits of more or less strength.

use bias_attrib::AttribError;
use bias_mask::{Mask, MaskTarget};
use bias_probe::HookedModel;
use bias_types::ModelDims;
use burn::tensor::backend::{AutodiffBackend, Backend};

use crate::StudyError;
use crate::find::{Finding, Method, MethodInput, Truth};
use crate::results::{Approach, Seen};
use crate::studied::Studied;
use crate::treat::{Placebo, Treatment, treat, weakened};

/// The smallest strength of an edit that is tried.
const FAINT: f64 = 0.01;
/// The smallest share of all prunable weights that is tried, unless it is too large.
const FEW: f64 = 1e-6;

/// Something with a strength.
pub(super) enum Dialable<M> {
    /// A ranking: the strength is the number of weights to zero.
    Ranked(Box<Finding>, ModelDims, usize),
    /// An edited model and the number of weights that differ: the strength is the share of the edit
    /// that is made.
    Edited(Box<M>, usize),
}

/// A change of one strength.
pub(super) enum Made<M> {
    /// Weights to zero.
    Mask(Mask),
    /// Another model, and the number of weights that differ.
    Model(Box<M>, usize),
}

impl<M> Dialable<M> {
    /// What an approach gives on what it sees, or its placebo. Where that is shuffled groups, they
    /// are shuffled in the input.
    ///
    /// # Errors
    /// Nothing to attribute; a failed pass.
    pub(super) fn find<A: AutodiffBackend>(
        approach: &Approach,
        seen: &Seen,
        shuffled: bool,
        truth: Option<&Truth>,
        input: &MethodInput<'_, A, M>,
    ) -> Result<Self, StudyError>
    where
        M: Studied<A>,
    {
        let (dims, most) = (*input.model.dims(), input.budget);
        let ranked = |finding| Self::Ranked(Box::new(finding), dims, most);
        match approach {
            Approach::Mask(name, unit) => {
                let method = Method::<A, M>::named(name, *unit).ok_or_else(|| {
                    let reason = format!("there is no method `{approach}`");
                    StudyError::Protocol { reason }
                })?;
                Ok(ranked(method.find(input)?))
            }
            Approach::Edit(alternative) => {
                // Shuffled groups are in the input.
                let placebo = Some(Placebo::of(*alternative))
                    .filter(|own| shuffled && *own != Placebo::ShuffledGroups);
                let treatment = Treatment { placebo, ..Treatment::default() };
                let treated = treat(*alternative, input, &treatment)?;
                Ok(Self::Edited(Box::new(treated.model), treated.weights))
            }
            Approach::Planted => {
                let truth = truth.ok_or(AttribError::NoSpread)?;
                Ok(ranked(Finding::Order(match seen {
                    Seen::Home(own) | Seen::Asking(own, _) => truth.of(own),
                    // Of the one left out only what it shares with others is known.
                    Seen::AllBut(own) => {
                        let others = truth.contexts.iter().filter(|(other, _)| *other != own);
                        let others = others.flat_map(|(_, units)| units);
                        truth.shared.iter().chain(others).cloned().collect()
                    }
                })))
            }
        }
    }

    /// The smallest strength of all, the smallest to try first, and the largest.
    pub(super) fn ends(&self) -> [f64; 3] {
        match self {
            Self::Ranked(_, dims, most) => {
                let few = (FEW * dims.prunable_weights() as f64).round().max(1.0);
                [1.0, few, *most as f64]
            }
            Self::Edited(..) => [FAINT, FAINT, 1.0],
        }
    }

    /// The strength that is really tried.
    pub(super) fn round(&self, strength: f64) -> f64 {
        match self {
            Self::Ranked(..) => strength.round(),
            // Ids contain it.
            Self::Edited(..) => (strength * 1e6).round() / 1e6,
        }
    }

    /// The change of this strength to a model.
    ///
    /// # Errors
    /// Scores that cannot be selected from, weights out of reach.
    pub(super) fn at<B: Backend>(&self, model: &M, strength: f64) -> Result<Made<M>, StudyError>
    where
        M: HookedModel<B> + MaskTarget<B> + Clone,
    {
        match self {
            Self::Ranked(finding, dims, _) => {
                Ok(Made::Mask(finding.mask(dims, strength as usize)?))
            }
            Self::Edited(edited, weights) => {
                let model = weakened(model, edited.as_ref(), strength)?;
                Ok(Made::Model(Box::new(model), *weights))
            }
        }
    }
}
