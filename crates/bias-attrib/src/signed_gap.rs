use std::collections::HashMap;

use bias_core::{Convention, ParamPath, ParamScores};
use bias_probe::{DifferentiableModel, NoObserver};
use burn::tensor::{Tensor, backend::AutodiffBackend};

use crate::gap::{Arm, Gap};
use crate::likelihood::{branch_log_probs, checked_temperature, weighted};
use crate::readback::{ValuesOf, read};
use crate::tree::{batches, token_batch};
use crate::{AttribError, Attribution, Contrast};

/// How much of the gap between two groups' mean answers each weight carries, to first
/// order: `sign(G) · W_ij · ∂G/∂W_ij`, the fall of `|G|` when the weight becomes 0.
///
/// `G = (E[v|A] − E[v|B]) / s` is the standardized difference of the *whole* number's
/// expectation over the answers given, with the pooled standard deviation `s` held
/// fixed. With `p` an answer's probability and `E` its person's mean,
/// `∂E/∂W = Σ p (v − E) ∂log p/∂W` is summed over all answers, so the gradient has no
/// sampling noise; answers that were not explored count as the mean.
///
/// Where sampling cuts the distribution off (top-k, top-p), the set of tokens kept is
/// taken as given and their probabilities' common factor is not differentiated: an
/// approximation.
///
/// Positive weights carry the gap, negative ones hold it down. Answers must come from
/// the model as it is now, at the [temperature](Self::with_temperature) given.
#[derive(Debug, Clone, Copy)]
pub struct SignedGap {
    temperature: f64,
    guard: f64,
}

impl Default for SignedGap {
    /// Temperature 1, no guard.
    fn default() -> Self {
        Self { temperature: 1.0, guard: 0.0 }
    }
}

impl SignedGap {
    /// The temperature the answers' probabilities were taken at.
    ///
    /// # Errors
    /// [`AttribError::Temperature`] unless positive and finite.
    pub fn with_temperature(self, temperature: f64) -> Result<Self, AttribError> {
        Ok(Self { temperature: checked_temperature(temperature)?, ..self })
    }

    /// Discounts weights that move both groups' answers alike: `guard` times
    /// `|W · ∂L/∂W|` is taken off the score, `L` the mean of both groups' standardized
    /// expectations. Pruning such weights would spoil all answers.
    #[must_use]
    pub fn with_guard(self, guard: f64) -> Self {
        Self { guard: guard.max(0.0), ..self }
    }
}

impl<B: AutodiffBackend, M: DifferentiableModel<B>> Attribution<B, M> for SignedGap {
    type Found = Vec<ParamScores>;

    fn name(&self) -> &'static str {
        "signed-gap"
    }

    fn attribute(&self, model: &M, contrast: &Contrast) -> Result<Vec<ParamScores>, AttribError> {
        let gap = Gap::new(contrast)?;
        let scale = gap.sign() / gap.spread;
        let up = self.gradients(model, &gap.a, scale)?;
        let down = self.gradients(model, &gap.b, scale)?;
        let dims = *model.dims();
        let scores = dims.projections().map(|(path, _, projection)| {
            let weight = model.weight(&path)?.inner();
            let of = |group: &Gradients<B>| group.get(&path).cloned().unwrap_or_else(|| weight.zeros_like());
            let (up, down) = (of(&up), of(&down));
            let carried = weight.clone() * (up.clone() - down.clone());
            let level = (weight.clone() * (up + down)).abs() * (self.guard / 2.0);
            let values = read(carried - level, ValuesOf::Param(path.clone()))?;
            Ok(ParamScores::new(path, dims.shape(projection), Convention::BiasCarried, values)?)
        });
        scores.collect()
    }
}

type Gradients<B> = HashMap<ParamPath, Tensor<<B as AutodiffBackend>::InnerBackend, 2>>;

impl SignedGap {
    /// `scale · ∂(group mean)/∂W` for every matrix.
    fn gradients<B: AutodiffBackend>(
        &self,
        model: &impl DifferentiableModel<B>,
        arm: &Arm<'_>,
        scale: f64,
    ) -> Result<Gradients<B>, AttribError> {
        let mut total: Gradients<B> = HashMap::new();
        for trees in batches(arm.respondents)? {
            let worths = arm.worths(&trees, scale);
            // People with one possible answer have nothing to differentiate.
            if worths.iter().all(|w| *w == 0.0) {
                continue;
            }
            let batch = token_batch(&trees)?;
            let log_probs = branch_log_probs(model, &batch, &trees, &mut NoObserver, self.temperature)?;
            let gradients = weighted(log_probs, &worths).backward();
            for (path, ..) in model.dims().projections() {
                let gradient = model.gradient(&path, &gradients)?;
                let sum = match total.remove(&path) {
                    Some(sum) => sum + gradient,
                    None => gradient,
                };
                total.insert(path, sum);
            }
        }
        Ok(total)
    }
}
