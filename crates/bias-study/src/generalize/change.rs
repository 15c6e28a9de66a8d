//! What is dialled: masks of more or fewer weights, and edits of more or less strength.

use bias_attrib::AttribError;
use bias_mask::{Mask, MaskError, MaskTarget};
use bias_probe::Weights;
use bias_types::{ModelDims, ParamPath};
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};

use crate::StudyError;
use crate::find::{Finding, Method, MethodInput, Truth};
use crate::results::{Approach, Seen};
use crate::studied::Studied;
use crate::treat::treat;

/// The smallest strength of an edit that is tried.
const FAINT: f64 = 0.01;
/// The smallest share of all prunable weights that is tried.
const FEW: f64 = 1e-6;

/// Something with a strength.
pub(super) enum Dialable<M> {
    /// A ranking: the strength is the number of weights to zero.
    Ranked(Finding, ModelDims, usize),
    /// An edited model: the strength is the share of the edit that is made.
    Edited(Box<M>, ModelDims),
}

/// A change of one strength.
pub(super) enum Made<M> {
    /// Weights to zero.
    Mask(Mask),
    /// Another model, and the number of weights that differ.
    Model(Box<M>, usize),
}

impl<M> Dialable<M> {
    /// What an approach gives on what it sees. `most` is the largest number of weights.
    ///
    /// # Errors
    /// Nothing to attribute; a failed pass.
    pub(super) fn find<A: AutodiffBackend>(
        approach: &Approach,
        seen: &Seen,
        truth: Option<&Truth>,
        input: &MethodInput<'_, A, M>,
    ) -> Result<Self, StudyError>
    where
        M: Studied<A>,
    {
        let (dims, most) = (*input.model.dims(), input.budget);
        let ranked = |finding| Self::Ranked(finding, dims, most);
        match approach {
            Approach::Mask(name, unit) => {
                let method = Method::<A, M>::named(name, *unit).ok_or_else(|| {
                    let reason = format!("there is no method `{approach}`");
                    StudyError::Protocol { reason }
                })?;
                Ok(ranked(method.find(input)?))
            }
            Approach::Edit(alternative) => {
                Ok(Self::Edited(Box::new(treat(*alternative, input)?.model), dims))
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

    /// The smallest and the largest strength to try.
    pub(super) fn ends(&self) -> [f64; 2] {
        match self {
            Self::Ranked(_, dims, most) => {
                let few = (FEW * dims.prunable_weights() as f64).round().max(1.0);
                [few.min(*most as f64), *most as f64]
            }
            Self::Edited(..) => [FAINT, 1.0],
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
        M: MaskTarget<B> + Clone,
    {
        match self {
            Self::Ranked(finding, dims, _) => {
                Ok(Made::Mask(finding.mask(dims, strength as usize)?))
            }
            Self::Edited(edited, dims) => {
                let (model, weights) = between(model, edited.as_ref(), dims, strength)?;
                Ok(Made::Model(Box::new(model), weights))
            }
        }
    }
}

/// The model that lies at a share of the way to another, in every matrix and its bias, and the
/// number of weights that differ.
fn between<B: Backend, M: MaskTarget<B> + Clone>(
    from: &M,
    to: &M,
    dims: &ModelDims,
    share: f64,
) -> Result<(M, usize), StudyError> {
    let mut model = from.clone();
    let mut changed = 0;
    let paths: Vec<ParamPath> = dims.projections().map(|(path, ..)| path).collect();
    for path in paths {
        let [before, after] = [Weights::weight(from, &path)?, Weights::weight(to, &path)?];
        let differ = before.clone().not_equal(after.clone()).int().sum();
        let differ = differ.into_data().iter::<i64>().next().unwrap_or(0);
        if differ > 0 {
            changed += usize::try_from(differ).unwrap_or(0);
            model.set_weight(&path, part(before, after, share))?;
        }
        let (before, after) = match (from.bias(&path), to.bias(&path)) {
            // A model whose biases are out of reach cannot have had them edited.
            (Err(MaskError::BiasOutOfReach { .. }), _) => continue,
            (before, after) => (before?, after?),
        };
        let bias = match (before, after) {
            (None, None) => continue,
            (Some(before), Some(after)) => part(before, after, share),
            (None, Some(after)) => after.mul_scalar(share),
            (Some(before), None) => before.mul_scalar(1.0 - share),
        };
        model.set_bias(&path, Some(bias))?;
    }
    Ok((model, changed))
}

fn part<B: Backend, const D: usize>(
    before: Tensor<B, D>,
    after: Tensor<B, D>,
    share: f64,
) -> Tensor<B, D> {
    let step = (after - before.clone()).mul_scalar(share);
    before + step
}

#[cfg(test)]
mod tests {
    use super::*;
    use bias_model::{Decoder, ModelConfig};
    use bias_probe::HookedModel as _;
    use burn::backend::Flex;

    #[test]
    fn an_edit_is_made_in_part() {
        let config = serde_json::json!({
            "model_type": "gpt2", "n_embd": 8, "n_layer": 1, "n_head": 2, "n_positions": 8,
            "vocab_size": 16
        });
        let config = ModelConfig::from_json(serde_json::from_value(config).unwrap()).unwrap();
        let from = Decoder::<Flex>::init(config, 0.3, 0, &Default::default());
        let dims = *from.dims();
        let path = dims.projections().map(|(path, ..)| path).next().unwrap();
        let mut to = from.clone();
        let weight = Weights::weight(&from, &path).unwrap();
        to.set_weight(&path, weight.clone() + 2.0).unwrap();
        let bias = from.bias(&path).unwrap().unwrap();
        to.set_bias(&path, Some(bias.clone() + 4.0)).unwrap();
        let (half, changed) = between(&from, &to, &dims, 0.5).unwrap();
        assert_eq!(changed, weight.dims().iter().product::<usize>());
        let apart = (Weights::weight(&half, &path).unwrap() - weight - 1.0).abs().max();
        let apart_bias = (half.bias(&path).unwrap().unwrap() - bias - 2.0).abs().max();
        for apart in [apart.into_scalar(), apart_bias.into_scalar()] {
            assert!(apart < 1e-6, "{apart}");
        }
        assert_eq!(between(&from, &from, &dims, 0.5).unwrap().1, 0);
    }
}
