use bias_probe::HookedModel;
use bias_probe::stats::NameAttention;
use bias_types::{Convention, Unit, UnitScores};
use burn::tensor::backend::Backend;

use super::attribution::Attribution;
use crate::contrast::prompt_case::Contrast;
use crate::engine::answer_tree::{batches, token_batch};
use crate::error::AttribError;

/// Each head's attention from the answer to the name (arXiv 2502.07771): attention from each answer
/// token to the name's tokens, averaged over those tokens, over the answer's steps by their
/// probability, and over people. Both groups' maps are added.
#[derive(Debug, Clone, Copy, Default)]
pub struct HeadAttention;

impl<B: Backend, M: HookedModel<B>> Attribution<B, M> for HeadAttention {
    type Found = UnitScores;

    fn name(&self) -> &'static str {
        "head-attention"
    }

    fn attribute(&self, model: &M, contrast: &Contrast) -> Result<UnitScores, AttribError> {
        contrast.check()?;
        let mut maps = Vec::new();
        for cases in [&contrast.a, &contrast.b] {
            let mut attention = NameAttention::new(model.dims().layers);
            for trees in batches(cases)? {
                model.hidden(&token_batch(&trees)?, &mut attention)?;
            }
            maps.push(attention.finish()?);
        }
        let [a, b] = maps.as_slice() else { return Err(AttribError::Unlike) };
        let scores = a
            .iter()
            .zip(b)
            .map(|((head, a), (_, b))| (Unit::Head(*head), (a + b) as f32))
            .collect();
        Ok(UnitScores { convention: Convention::Importance, scores })
    }
}
