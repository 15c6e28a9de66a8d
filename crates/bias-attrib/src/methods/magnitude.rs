use bias_probe::HookedModel;
use bias_types::{Convention, ParamScores};
use burn::tensor::backend::Backend;

use super::attribution::Attribution;
use crate::contrast::prompt_case::Contrast;
use crate::engine::readback::read;
use crate::error::{AttribError, ValuesOf};

/// `|W_ij|`: a weight's magnitude, regardless of the prompts (Han et al. 2015, arXiv 1506.02626).
/// It is the null model for methods that multiply by the weight.
#[derive(Debug, Clone, Copy, Default)]
pub struct Magnitude;

impl<B: Backend, M: HookedModel<B>> Attribution<B, M> for Magnitude {
    type Found = Vec<ParamScores>;

    fn name(&self) -> &'static str {
        "magnitude"
    }

    fn attribute(&self, model: &M, _: &Contrast) -> Result<Vec<ParamScores>, AttribError> {
        let scores = model.dims().projections().map(|(path, ..)| {
            let weight = model.weight(&path)?;
            let shape = weight.dims();
            let values = read(weight.abs(), ValuesOf::Param(path.clone()))?;
            Ok(ParamScores::new(path, shape, Convention::Importance, values)?)
        });
        scores.collect()
    }
}
