use bias_core::{Convention, ParamPath, ParamScores};
use bias_mask::Mask;
use bias_probe::{ChannelSquares, HookedModel, ProbeError, SquareSums};
use burn::tensor::backend::Backend;

use crate::readback::{Readback, read};
use crate::tree::{batches, token_batch};
use crate::{AttribError, Attribution, Contrast, Direction, Respondent};

/// Importance of each weight to each group: `|W_ij| · sqrt((1/N) Σ_n Σ_t x_j²)`
/// (Sun et al. 2023), `x` the dense model's own input to that matrix over the tokens
/// of prompt and answer, `N` sequences.
///
/// With several answers to a prompt, each token counts by the probability of the
/// answers through it: the expectation of the sum over sampled answers, without
/// sampling.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanda;

/// What Wanda measured: channel norms for both groups. Scores are weights times
/// these and are made matrix by matrix when asked for, never stored as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupNorms {
    /// Sums over group A's prompts.
    pub a: ChannelSquares,
    /// Sums over group B's prompts.
    pub b: ChannelSquares,
}

impl<B: Backend, M: HookedModel<B>> Attribution<B, M> for Wanda {
    type Found = GroupNorms;

    fn name(&self) -> &'static str {
        "wanda"
    }

    fn attribute(&self, model: &M, contrast: &Contrast) -> Result<GroupNorms, AttribError> {
        contrast.check()?;
        Ok(GroupNorms { a: squares(model, &contrast.a)?, b: squares(model, &contrast.b)? })
    }
}

fn squares<B: Backend>(
    model: &impl HookedModel<B>,
    respondents: &[Respondent],
) -> Result<ChannelSquares, AttribError> {
    let mut sums = SquareSums::linear_inputs(model.dims());
    for trees in batches(respondents)? {
        model.hidden(&token_batch(&trees)?, &mut sums)?;
    }
    Ok(sums.finish()?)
}

impl GroupNorms {
    /// The importance of one matrix's weights to A and to B.
    ///
    /// # Errors
    /// A matrix that the model or the statistics do not have.
    pub fn scores<B: Backend>(
        &self,
        model: &impl HookedModel<B>,
        path: &ParamPath,
    ) -> Result<[ParamScores; 2], AttribError> {
        let weight = model.weight(path)?;
        let shape = weight.dims();
        let weights = read(weight, Readback::Param(path.clone()))?;
        let score = |squares: &ChannelSquares| {
            let missing = || ProbeError::NoSuchParam { path: path.clone() };
            let (layer, projection) = path.projection().ok_or_else(missing)?;
            let norms = squares.norms(projection.input_site(layer)).ok_or_else(missing)?;
            let rows = weights.chunks_exact(shape[1]);
            let values = rows
                .flat_map(|row| row.iter().zip(&norms).map(|(w, norm)| (f64::from(w.abs()) * norm) as f32));
            let values = values.collect();
            Ok::<_, AttribError>(ParamScores::new(path.clone(), shape, Convention::Importance, values)?)
        };
        Ok([score(&self.a)?, score(&self.b)?])
    }

    /// The paper's mask: per matrix, the top `fraction` of one group less the other's
    /// (arXiv 2502.07771; 0.15 there). One matrix is in memory at a time.
    ///
    /// # Errors
    /// As [`top_difference`](bias_mask::top_difference).
    pub fn difference<B: Backend>(
        &self,
        model: &impl HookedModel<B>,
        fraction: f64,
        direction: Direction,
    ) -> Result<Mask, AttribError> {
        let mut mask = Mask::default();
        for (path, ..) in model.dims().projections() {
            let [a, b] = self.scores(model, &path)?;
            mask = mask.union(&direction.mask(&[a], &[b], fraction)?)?;
        }
        Ok(mask)
    }

    /// Adds what was measured on other prompts.
    ///
    /// # Errors
    /// Statistics of another model.
    pub fn merge(self, other: &Self) -> Result<Self, AttribError> {
        Ok(Self { a: self.a.merge(&other.a)?, b: self.b.merge(&other.b)? })
    }
}
