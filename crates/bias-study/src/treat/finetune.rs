//! Training a model on counterfactual data: everybody is answered as both groups together are.

use std::collections::HashMap;

use bias_attrib::{AttribError, Contrast, PromptCase};
use bias_mask::{MaskError, MaskTarget};
use bias_probe::{Observer, ProbeError, TokenBatch, Weights};
use bias_types::{BlockSite, ModelDims, ParamPath, Projection, Site};
use burn::module::{AutodiffModule as _, Module, Param};
use burn::tensor::activation::log_sigmoid;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::StudyError;
use crate::find::MethodInput;
use crate::results::Budget;
use crate::seed::derived_seed;
use crate::studied::Studied;
use crate::training::{Recipe, Text, fit, text_loss};

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
    let adapters = Adapters::<A>::init(input.model.dims(), rng, &input.model.device());
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
        let mut watch = Adapted { own, dims: &dims, inputs: HashMap::new(), last: None };
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
    learned.valid().write_into(&mut model, &dims)?;
    Ok(model)
}

/// Changes to matrices: `W' = W + (down · up)ᵀ`, or `W' = W + upᵀ` for changes of full rank.
#[derive(Module, Debug)]
struct Adapters<B: Backend> {
    /// `[in, rank]` of each matrix, block by block; empty for changes of full rank.
    down: Vec<Param<Tensor<B, 2>>>,
    /// `[rank, out]`, or `[in, out]`.
    up: Vec<Param<Tensor<B, 2>>>,
    /// `[d_model, 1]`
    adversary: Param<Tensor<B, 2>>,
}

impl<B: Backend> Adapters<B> {
    /// Low-rank changes that are zero at first.
    fn init(dims: &ModelDims, mut rng: ChaCha8Rng, device: &B::Device) -> Self {
        let mut draw = |rows: usize, columns: usize, scale: f32| {
            let values = (0..rows * columns).map(|_| scale * (rng.random::<f32>() * 2.0 - 1.0));
            let data = TensorData::new(values.collect::<Vec<f32>>(), [rows, columns]);
            Param::from_tensor(Tensor::from_data(data, device)).set_require_grad(true)
        };
        let (mut down, mut up) = (Vec::new(), Vec::new());
        for (_, projection) in places(dims) {
            let [out, inner] = dims.shape(projection);
            down.push(draw(inner, RANK, (inner as f32).sqrt().recip()));
            up.push(draw(RANK, out, 0.0));
        }
        Self { down, up, adversary: draw(dims.d_model, 1, 0.0) }
    }

    /// Changes of full rank that are zero at first.
    fn whole(dims: &ModelDims, device: &B::Device) -> Self {
        let zeros = |shape| Param::from_tensor(Tensor::zeros(shape, device)).set_require_grad(true);
        let shapes = places(dims).map(|(_, projection)| dims.shape(projection));
        let up = shapes.map(|[out, inner]| zeros([inner, out])).collect();
        Self { down: Vec::new(), up, adversary: zeros([dims.d_model, 1]) }
    }

    /// The term that the change of a matrix adds to its output, from its input `[cells, in]`.
    fn added(&self, matrix: usize, input: Tensor<B, 2>) -> Tensor<B, 2> {
        let narrowed = match self.down.get(matrix) {
            Some(down) => input.matmul(down.val()),
            None => input,
        };
        narrowed.matmul(self.up[matrix].val())
    }

    fn write_into(
        &self,
        model: &mut impl MaskTarget<B>,
        dims: &ModelDims,
    ) -> Result<(), MaskError> {
        for (i, ((layer, projection), up)) in places(dims).zip(&self.up).enumerate() {
            let path = ParamPath::of(layer, projection);
            let weight = Weights::weight(model, &path)?;
            let change = match self.down.get(i) {
                Some(down) => down.val().matmul(up.val()),
                None => up.val(),
            };
            let change = change.transpose().cast(weight.dtype());
            model.set_weight(&path, weight + change)?;
        }
        Ok(())
    }
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

fn places(dims: &ModelDims) -> impl Iterator<Item = (usize, Projection)> {
    let dims = *dims;
    (0..dims.layers).flat_map(move |layer| dims.block_projections().map(move |own| (layer, own)))
}

/// Adapters in a forward pass.
struct Adapted<'a, B: Backend> {
    own: &'a Adapters<B>,
    dims: &'a ModelDims,
    inputs: HashMap<Site, Tensor<B, 3>>,
    last: Option<Tensor<B, 3>>,
}

fn output(projection: Projection) -> BlockSite {
    match projection {
        Projection::Q => BlockSite::Query,
        Projection::K => BlockSite::Key,
        Projection::V => BlockSite::Value,
        Projection::O => BlockSite::AttnOut,
        Projection::Gate => BlockSite::Gate,
        Projection::Up => BlockSite::Up,
        Projection::Down => BlockSite::MlpOut,
    }
}

impl<B: Backend> Observer<B> for Adapted<'_, B> {
    fn wants(&self, site: Site) -> bool {
        let Site::Block(layer, at) = site else { return site == Site::FinalNorm };
        self.dims.block_projections().any(|own| own.input_site(layer) == site || output(own) == at)
    }

    fn hidden(
        &mut self,
        site: Site,
        _: &TokenBatch,
        value: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        let Site::Block(_, at) = site else {
            self.last = Some(value.clone());
            return Ok(value);
        };
        let mut value = value;
        for (i, (layer, projection)) in places(self.dims).enumerate() {
            if Site::Block(layer, output(projection)) != site {
                continue;
            }
            let Some(input) = self.inputs.get(&projection.input_site(layer)) else { continue };
            let [rows, width, inner] = input.dims();
            let out = value.dims()[2];
            let input = input.clone().reshape([rows * width, inner]);
            let change = self.own.added(i, input);
            value = value + change.reshape([rows, width, out]);
        }
        if self
            .dims
            .block_projections()
            .any(|own| matches!(own.input_site(0), Site::Block(_, input) if input == at))
        {
            self.inputs.insert(site, value.clone());
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use bias_model::Decoder;
    use bias_probe::{HookedModel as _, NoObserver, Sequence};
    use bias_types::TokenRole;
    use burn::backend::{Autodiff, Flex};

    use super::*;

    fn text(tokens: &[u32], side: f32) -> Lesson {
        Lesson { text: Text { tokens: tokens.to_vec(), answer: 2, whole: false }, side }
    }

    /// Adapters in a forward pass have the same effect as when written into the weights.
    #[test]
    fn adapters_in_the_pass_and_in_the_weights_are_the_same() {
        let configs = [
            serde_json::json!({
                "model_type": "gpt2", "n_embd": 24, "n_layer": 2, "n_head": 3, "n_positions": 32, "vocab_size": 64
            }),
            serde_json::json!({
                "model_type": "llama", "hidden_size": 32, "intermediate_size": 56, "num_hidden_layers": 2,
                "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 64,
                "max_position_embeddings": 64
            }),
            serde_json::json!({
                "model_type": "gpt_neox", "hidden_size": 48, "intermediate_size": 40, "num_hidden_layers": 2,
                "num_attention_heads": 3, "vocab_size": 64, "max_position_embeddings": 64,
                "rotary_pct": 0.25
            }),
        ];
        for config in configs {
            let device = Default::default();
            let name = config["model_type"].clone();
            let config =
                bias_model::ModelConfig::from_json(serde_json::from_value(config).unwrap())
                    .unwrap();
            let drawn = Decoder::<Flex>::init(config, 0.3, 0, &device);
            let dims = *drawn.dims();
            let mut rng = ChaCha8Rng::seed_from_u64(3);
            let narrow = Adapters::<Flex>::init(&dims, rng.clone(), &device);
            for mut own in [narrow, Adapters::whole(&dims, &device)] {
                let mut model = drawn.clone();
                // Whole matrices are of many ranks.
                let scale = if own.down.is_empty() { 0.125 } else { 1.0 };
                for up in &mut own.up {
                    let [rank, out] = up.val().dims();
                    let values: Vec<f32> =
                        (0..rank * out).map(|_| scale * (rng.random::<f32>() - 0.5)).collect();
                    *up = Param::from_tensor(Tensor::from_data(
                        TensorData::new(values, [rank, out]),
                        &device,
                    ));
                }
                let sequence =
                    Sequence::chain(vec![1, 5, 9, 3, 7], vec![TokenRole::Prompt; 5]).unwrap();
                let batch = TokenBatch::new(&[sequence]).unwrap();
                let plain = model.logits(&batch, &mut NoObserver).unwrap().into_data();
                let mut watch =
                    Adapted { own: &own, dims: &dims, inputs: HashMap::new(), last: None };
                let hooked = model.logits(&batch, &mut watch).unwrap().into_data();
                own.write_into(&mut model, &dims).unwrap();
                let written = model.logits(&batch, &mut NoObserver).unwrap().into_data();
                let far = |a: &TensorData, b: &TensorData| {
                    a.iter::<f32>()
                        .zip(b.iter::<f32>())
                        .map(|(a, b)| (a - b).abs())
                        .fold(0.0, f32::max)
                };
                assert!(far(&plain, &hooked) > 0.1, "{name}: they do something");
                assert!(far(&hooked, &written) < 1e-3, "{name}: {}", far(&hooked, &written));
            }
        }
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
        let mut own = Adapters::<A>::init(&config.dims, ChaCha8Rng::seed_from_u64(0), &device);
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
