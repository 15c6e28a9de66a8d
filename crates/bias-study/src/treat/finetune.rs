//! Training a model on counterfactual data: everybody is answered as both groups together are.

use bias_attrib::{AttribError, Contrast, PromptCase};
use burn::module::AutodiffModule as _;
use burn::tensor::activation::log_sigmoid;
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Tensor, TensorData};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::StudyError;
use crate::find::MethodInput;
use crate::results::Budget;
use crate::seed::derived_seed;
use crate::studied::Studied;
use crate::training::{Adapted, Adapters, Recipe, Text, fit, text_loss};

/// The length and speed of training: a few seconds on the embedded model.
const FINE: Recipe = Recipe { steps: 120, batch: 16, learning_rate: 3e-4, decay: 0.0 };
const LOW_RANK: Recipe = Recipe { learning_rate: 3e-3, ..FINE };
/// The share of lessons that are neutral text, which preserves the model's other uses.
const NEUTRAL: f64 = 0.25;
/// The rank of the change to every matrix.
pub(super) const RANK: usize = 4;
/// The weight of the adversary relative to the answers.
const ADVERSARY: f32 = 0.5;

/// A text to learn from, and the group of the person it is about.
#[derive(Debug, Clone)]
pub(crate) struct Lesson {
    text: Text,
    /// 1 for group A, −1 for B, 0 for nobody.
    side: f32,
}

impl AsRef<Text> for Lesson {
    fn as_ref(&self) -> &Text {
        &self.text
    }
}

/// An endless source of lessons.
pub(crate) struct Lessons<'a> {
    contrasts: Vec<&'a Contrast>,
    neutral: Vec<Text>,
    rng: ChaCha8Rng,
}

impl<'a> Lessons<'a> {
    pub(crate) fn new<A: AutodiffBackend, M: Studied<A>>(
        input: &'a MethodInput<'_, A, M>,
    ) -> Result<Self, StudyError> {
        let answered = |people: &[PromptCase]| people.iter().any(|own| total(own) > 0.0);
        let contrasts: Vec<&Contrast> =
            input.contrasts.iter().filter(|own| answered(&own.a) && answered(&own.b)).collect();
        if contrasts.is_empty() {
            return Err(AttribError::NoSpread.into());
        }
        let neutral = input.neutral.iter().map(|own| {
            let tokens = own.tokens().to_vec();
            Text { answer: tokens.len(), tokens, whole: true }
        });
        let rng = ChaCha8Rng::seed_from_u64(derived_seed(input.seed, "lessons"));
        Ok(Self { contrasts, neutral: neutral.filter(|text| text.tokens.len() > 1).collect(), rng })
    }

    /// One person's question with an answer that somebody of either group got.
    fn draw(&mut self) -> Lesson {
        if !self.neutral.is_empty() && self.rng.random_bool(NEUTRAL) {
            let text = self.neutral[self.rng.random_range(0..self.neutral.len())].clone();
            return Lesson { text, side: 0.0 };
        }
        let contrast = self.contrasts[self.rng.random_range(0..self.contrasts.len())];
        let person = |rng: &mut ChaCha8Rng| {
            let first = rng.random_bool(0.5);
            let own = if first { &contrast.a } else { &contrast.b };
            (&own[rng.random_range(0..own.len())], if first { 1.0 } else { -1.0 })
        };
        let (asked, side) = person(&mut self.rng);
        let answer = loop {
            let (answered, _) = person(&mut self.rng);
            // Somebody of each group has an answer.
            if total(answered) > 0.0 {
                let mut left = self.rng.random_range(0.0..total(answered));
                let found = answered.answers.iter().find(|answer| {
                    left -= answer.weight;
                    left < 0.0
                });
                if let Some(found) = found.or(answered.answers.last()) {
                    break found;
                }
            }
        };
        let mut tokens = asked.prompt.tokens().to_vec();
        let start = tokens.len();
        tokens.extend(&answer.tokens);
        Lesson { text: Text { tokens, answer: start, whole: false }, side }
    }
}

fn total(person: &PromptCase) -> f64 {
    person.answers.iter().map(|answer| answer.weight).sum()
}

/// Trains every weight, or only the matrices of a model that has no other reachable weights.
/// Returns which.
pub(crate) fn fine_tune<A: AutodiffBackend, M: Studied<A>>(
    input: &MethodInput<'_, A, M>,
    mut lessons: Lessons<'_>,
) -> Result<(M, Budget), StudyError> {
    let taught =
        input.model.taught(&FINE, &mut || lessons.draw().text).map_err(AttribError::from)?;
    if let Some(taught) = taught {
        return Ok((taught, Budget::AllWeights));
    }
    let whole = Adapters::<A>::whole(input.model.dims(), &input.model.device());
    Ok((adapt(input, lessons, whole, &FINE, false)?, Budget::AllMatrices))
}

/// Trains a change of rank [`RANK`] to every matrix. With an adversary, the model is kept from
/// telling the groups apart where answers begin.
pub(crate) fn low_rank<A: AutodiffBackend, M: Studied<A>>(
    input: &MethodInput<'_, A, M>,
    lessons: Lessons<'_>,
    adversary: bool,
) -> Result<M, StudyError> {
    let rng = ChaCha8Rng::seed_from_u64(derived_seed(input.seed, "adapters"));
    let adapters = Adapters::<A>::init(input.model.dims(), RANK, rng, &input.model.device());
    adapt(input, lessons, adapters, &LOW_RANK, adversary)
}

/// Trains changes to the matrices while the model stays as it is. Returns a copy with the changes.
fn adapt<A: AutodiffBackend, M: Studied<A>>(
    input: &MethodInput<'_, A, M>,
    mut lessons: Lessons<'_>,
    adapters: Adapters<A>,
    recipe: &Recipe,
    adversary: bool,
) -> Result<M, StudyError> {
    let dims = *input.model.dims();
    let device = input.model.device();
    let share = |own: &Adapters<A>, texts: &[Lesson], total: f32| {
        // Frozen.
        let frozen = input.model.on_graph();
        let mut watch = Adapted::new(own, &dims);
        let loss = text_loss(&frozen, texts, total, &mut watch).map_err(AttribError::from)?;
        match watch.last {
            Some(last) if adversary => Ok(loss + own.adversary_loss(last, texts, total)),
            _ => Ok(loss),
        }
    };
    let learned = fit::<A, _, _, StudyError>(
        adapters,
        &device,
        recipe,
        || Ok(lessons.draw()),
        share,
        |_, _| {},
    )?;
    let mut model = input.model.clone();
    learned.valid().write_into(1.0, &mut model, &dims)?;
    Ok(model)
}

impl<A: AutodiffBackend> Adapters<A> {
    /// The cross-entropy of a linear classifier of the person's group, whose gradient is reversed
    /// on its way into the model. `last` is `[rows, seq, d_model]`.
    fn adversary_loss(&self, last: Tensor<A, 3>, texts: &[Lesson], total: f32) -> Tensor<A, 1> {
        let [rows, width, channels] = last.dims();
        let device = last.device();
        let at = |own: &Lesson| own.text.answer.saturating_sub(1);
        let cells =
            texts.iter().flat_map(|own| (0..width).map(move |i| f32::from(u8::from(i == at(own)))));
        let cells = TensorData::new(cells.collect::<Vec<f32>>(), [rows, width, 1]);
        let hidden =
            (last * Tensor::from_data(cells, &device)).sum_dim(1).reshape([rows, channels]);
        let turned =
            hidden.clone().detach().mul_scalar(1.0 + ADVERSARY) - hidden.mul_scalar(ADVERSARY);
        let sides: Vec<f32> = texts.iter().map(|own| own.side).collect();
        let sides = Tensor::<A, 2>::from_data(TensorData::new(sides, [rows, 1]), &device);
        let score = turned.matmul(self.adversary.val());
        // As if each answer's tokens, four times as heavy as others, were asked once.
        -(log_sigmoid(score * sides.clone()) * sides.abs()).sum().mul_scalar(16.0 / total)
    }
}

#[cfg(test)]
mod tests {
    use burn::backend::{Autodiff, Flex};
    use burn::module::Param;

    use super::*;

    fn text(tokens: &[u32], side: f32) -> Lesson {
        Lesson { text: Text { tokens: tokens.to_vec(), answer: 2, whole: false }, side }
    }

    /// The adversary learns to tell the groups apart, while the model below it learns the opposite.
    #[test]
    fn the_adversarys_gradient_is_turned_round_for_the_model() {
        type A = Autodiff<Flex>;
        let device = Default::default();
        let config = serde_json::json!({
            "model_type": "gpt2", "n_embd": 4, "n_layer": 1, "n_head": 1, "n_positions": 8, "vocab_size": 8
        });
        let config =
            bias_model::ModelConfig::from_json(serde_json::from_value(config).unwrap()).unwrap();
        let mut own =
            Adapters::<A>::init(&config.dims, RANK, ChaCha8Rng::seed_from_u64(0), &device);
        let weights = [0.5, -1.0, 2.0, 0.25];
        own.adversary =
            Param::from_tensor(Tensor::<A, 2>::from_floats(weights.map(|w| [w]), &device));
        let texts = [text(&[1, 2, 3], 1.0), text(&[1, 2, 3], -1.0)];
        let values = [
            [[0.0; 4], [1.0, 0.5, -0.5, 2.0], [9.0; 4]],
            [[0.0; 4], [-1.0, 0.25, 1.0, 0.0], [9.0; 4]],
        ];
        let last = Tensor::<A, 3>::from_floats(values, &device).require_grad();
        let loss = own.adversary_loss(last.clone(), &texts, 16.0);
        let found = loss.to_data().iter::<f64>().next().unwrap();
        // The token before the answer, and no other: Σ −log σ(side · h·w).
        let score = |h: [f64; 4]| h.iter().zip(weights).map(|(h, w)| h * w).sum::<f64>();
        let scores = [score([1.0, 0.5, -0.5, 2.0]), -score([-1.0, 0.25, 1.0, 0.0])];
        let expected: f64 = scores.iter().map(|s| (1.0 + (-s).exp()).ln()).sum();
        assert!((found - expected).abs() < 1e-5, "{found} against {expected}");
        // d/dh of the loss times −ADVERSARY: + side · (1 − σ) · w · ADVERSARY.
        let gradients = loss.backward();
        let gradient = last.grad(&gradients).unwrap().into_data().iter::<f64>().collect::<Vec<_>>();
        for (row, (score, side)) in scores.iter().zip([1.0, -1.0]).enumerate() {
            for (i, w) in weights.iter().enumerate() {
                let expected =
                    side * (1.0 - 1.0 / (1.0 + (-score).exp())) * w * f64::from(ADVERSARY);
                assert!(
                    (gradient[row * 12 + 4 + i] - expected).abs() < 1e-5,
                    "row {row}, channel {i}"
                );
            }
        }
    }
}
