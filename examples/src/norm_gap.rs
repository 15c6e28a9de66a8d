//! Someone else's method: what `bias-attrib` does not have, behind its trait.

use bias_attrib::{AttribError, Attribution, Contrast, Wanda};
use bias_probe::HookedModel;
use bias_types::{Convention, ParamScores};
use burn::tensor::backend::Backend;

/// Weights through which the two groups send signals of different strength:
/// `|W_ij| · |‖x_j‖_A − ‖x_j‖_B|`, from the same channel norms that Wanda uses.
///
/// Unsigned and therefore crude: it cannot tell weights that carry the gap from those
/// that hold it down. It is here to show how little a method of one's own takes.
#[derive(Debug, Clone, Copy, Default)]
pub struct NormGap;

impl<B: Backend, M: HookedModel<B>> Attribution<B, M> for NormGap {
    type Found = Vec<ParamScores>;

    fn name(&self) -> &'static str {
        "norm-gap"
    }

    fn attribute(&self, model: &M, contrast: &Contrast) -> Result<Vec<ParamScores>, AttribError> {
        let norms = Wanda.attribute(model, contrast)?;
        let scores = model.dims().projections().map(|(path, ..)| {
            let [a, b] = norms.scores(model, &path)?;
            let gap = a.values().iter().zip(b.values()).map(|(a, b)| (a - b).abs()).collect();
            Ok(ParamScores::new(path, a.shape(), Convention::Importance, gap)?)
        });
        scores.collect()
    }
}
