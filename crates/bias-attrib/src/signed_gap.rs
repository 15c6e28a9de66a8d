use std::collections::HashMap;

use bias_core::{Convention, ParamPath, ParamScores};
use bias_probe::{DifferentiableModel, NoObserver, TokenBatch};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData, backend::AutodiffBackend};

use crate::contrast::{AnswerTree, batches};
use crate::{AttribError, Attribution, Contrast, Respondent};

const BATCH_TOKENS: usize = 512;

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
        if temperature.is_finite() && temperature > 0.0 {
            Ok(Self { temperature, ..self })
        } else {
            Err(AttribError::Temperature { temperature })
        }
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
        contrast.check()?;
        let (a, b) = (Group::new('A', &contrast.a)?, Group::new('B', &contrast.b)?);
        let spread = ((a.variance + b.variance) / 2.0).sqrt();
        // Below this it is what rounding leaves of equal answers.
        if spread <= 1e-7 * a.mean.abs().max(b.mean.abs()) {
            return Err(AttribError::NoSpread);
        }
        let sign = (a.mean - b.mean).signum();
        let up = self.gradients(model, &a, sign / spread)?;
        let down = self.gradients(model, &b, sign / spread)?;
        let dims = *model.dims();
        let scores = dims.projections().map(|(path, _, projection)| {
            let weight = model.weight(&path)?.inner();
            let of = |group: &Gradients<B>| group.get(&path).cloned().unwrap_or_else(|| weight.zeros_like());
            let (up, down) = (of(&up), of(&down));
            let carried = weight.clone() * (up.clone() - down.clone());
            let level = (weight.clone() * (up + down)).abs() * (self.guard / 2.0);
            let values = (carried - level)
                .into_data()
                .convert::<f32>()
                .to_vec::<f32>()
                .map_err(|e| AttribError::Readback { what: "scores", reason: format!("{e:?}") })?;
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
        group: &Group<'_>,
        scale: f64,
    ) -> Result<Gradients<B>, AttribError> {
        let mut total: Gradients<B> = HashMap::new();
        let share = scale / group.respondents.len() as f64;
        let worth = |respondent: &Respondent, answer: &crate::PossibleAnswer| {
            let (mean, mass) = expectation(respondent).unwrap_or((0.0, 1.0));
            answer.value.map_or(0.0, |v| share * answer.weight / mass * (v - mean))
        };
        batches(group.respondents, BATCH_TOKENS, worth, |batch, trees| {
            // People with one possible answer have nothing to differentiate.
            if trees.iter().flat_map(|t| &t.branches).all(|b| b.sum == 0.0) {
                return Ok(());
            }
            let gradients = self.surrogate(model, batch, trees)?.backward();
            for (path, ..) in model.dims().projections() {
                let gradient = model.gradient(&path, &gradients)?;
                let sum = match total.remove(&path) {
                    Some(sum) => sum + gradient,
                    None => gradient,
                };
                total.insert(path, sum);
            }
            Ok(())
        })?;
        Ok(total)
    }

    /// `Σ c · log p` over the branches: its gradient is that of the expectation.
    fn surrogate<B: AutodiffBackend>(
        &self,
        model: &impl DifferentiableModel<B>,
        batch: &TokenBatch,
        trees: &[AnswerTree],
    ) -> Result<Tensor<B, 1>, AttribError> {
        let hidden = model.hidden(batch, &mut NoObserver)?;
        let [rows, width, d_model] = hidden.dims();
        let device = hidden.device();
        let mut places: Vec<i32> = Vec::new();
        let mut place_of: HashMap<usize, usize> = HashMap::new();
        let (mut picks, mut worths) = (Vec::new(), Vec::new());
        let vocab = model.dims().vocab;
        for (row, tree) in trees.iter().enumerate() {
            for branch in tree.branches.iter().filter(|b| b.sum != 0.0) {
                let at = row * width + branch.from;
                let place = *place_of.entry(at).or_insert_with(|| {
                    places.push(at as i32);
                    places.len() - 1
                });
                picks.push((place * vocab + branch.token as usize) as i32);
                worths.push(branch.sum as f32);
            }
        }
        let ints = |values: Vec<i32>| {
            let shape = [values.len()];
            Tensor::<B, 1, Int>::from_data(TensorData::new(values, shape), &device)
        };
        let n = places.len();
        let at = hidden.reshape([rows * width, d_model]).select(0, ints(places)).unsqueeze_dim(0);
        let logits = model.unembed(at).reshape([n, vocab]).div_scalar(self.temperature);
        let log_p = log_softmax(logits, 1).reshape([n * vocab]).select(0, ints(picks));
        let shape = [worths.len()];
        let worths = Tensor::<B, 1>::from_data(TensorData::new(worths, shape), &device);
        Ok((log_p * worths).sum())
    }
}

/// A group's mean and variance over all answers, each person weighing the same.
struct Group<'a> {
    respondents: &'a [Respondent],
    mean: f64,
    variance: f64,
}

impl<'a> Group<'a> {
    fn new(arm: char, respondents: &'a [Respondent]) -> Result<Self, AttribError> {
        let n = respondents.len() as f64;
        let (mut mean, mut square) = (0.0, 0.0);
        for (index, respondent) in respondents.iter().enumerate() {
            let (own, mass) = expectation(respondent).ok_or(AttribError::NoValue { arm, index })?;
            mean += own / n;
            let values = respondent.answers.iter().filter_map(|a| Some(a.weight / mass * a.value?.powi(2)));
            square += values.sum::<f64>() / n;
        }
        Ok(Self { respondents, mean, variance: (square - mean * mean).max(0.0) })
    }
}

/// One person's mean answer and the weight of the answers that state a number.
fn expectation(respondent: &Respondent) -> Option<(f64, f64)> {
    let valued = || respondent.answers.iter().filter_map(|a| Some((a.value?, a.weight)));
    let mass: f64 = valued().map(|(_, w)| w).sum();
    (mass > 0.0).then(|| (valued().map(|(v, w)| v * w).sum::<f64>() / mass, mass))
}
