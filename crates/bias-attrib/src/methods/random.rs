use bias_probe::HookedModel;
use bias_types::{Convention, ParamScores};
use burn::tensor::backend::Backend;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::attribution::Attribution;
use crate::contrast::prompt_case::Contrast;
use crate::error::AttribError;

/// Uniform random scores: the null model that every method must beat.
///
/// To match another mask's count in every matrix, use
/// [`Mask::matched_random`](bias_mask::Mask::matched_random).
#[derive(Debug, Clone, Copy)]
pub struct Random {
    seed: u64,
}

impl Random {
    /// The same seed gives the same scores.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }
}

impl<B: Backend, M: HookedModel<B>> Attribution<B, M> for Random {
    type Found = Vec<ParamScores>;

    fn name(&self) -> &'static str {
        "random"
    }

    fn attribute(&self, model: &M, _: &Contrast) -> Result<Vec<ParamScores>, AttribError> {
        let dims = model.dims();
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let scores = dims.projections().map(|(path, _, projection)| {
            let shape = dims.shape(projection);
            // Above zero, so that any number of weights can be selected.
            let values = (0..shape[0] * shape[1]).map(|_| 1.0 - rng.random::<f32>()).collect();
            Ok(ParamScores::new(path, shape, Convention::BiasCarried, values)?)
        });
        scores.collect()
    }
}
