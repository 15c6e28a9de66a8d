use std::thread::{Builder, ScopedJoinHandle};

use bias_probe::device::{LOGITS_AT_ONCE, f32_from, to_f32};
use bias_probe::{HookedModel, Observer, ProbeError, Sequence, TokenBatch};
use bias_types::{Site, TokenRole};
use burn::grad_clipping::GradientClippingConfig;
use burn::module::AutodiffModule;
use burn::optim::{AdamWConfig, GradientsAccumulator, GradientsParams, Optimizer as _};
use burn::tensor::activation::log_softmax;
use burn::tensor::backend::{AutodiffBackend, BackendTypes};
use burn::tensor::{Int, Tensor, TensorData};

/// A training text.
#[derive(Debug, Clone)]
pub struct Text {
    /// Its tokens.
    pub tokens: Vec<u32>,
    /// The index of the first token of the answer.
    pub answer: usize,
    /// Whether the tokens before the answer are learned as well.
    pub whole: bool,
}

/// Answers are the point of the task and a small part of the text, so they weigh more in the loss.
const ANSWER_WEIGHT: f32 = 4.0;

impl Text {
    /// The weight of token `i` in the loss.
    fn weight_of(&self, i: usize) -> f32 {
        match i {
            0 => 0.0,
            i if i >= self.answer => ANSWER_WEIGHT,
            _ => f32::from(u8::from(self.whole)),
        }
    }

    fn weight(&self) -> f32 {
        (0..self.tokens.len()).map(|i| self.weight_of(i)).sum()
    }
}

/// The length and the speed of training.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    /// Optimiser steps.
    pub steps: usize,
    /// Texts per step.
    pub batch: usize,
    /// Peak learning rate, after a linear rise and before half a cosine down.
    pub learning_rate: f64,
    /// Weight decay.
    pub decay: f32,
}

/// Trains `module` by AdamW on the texts of `draw`. `share` computes the part of some texts in the
/// loss ([`text_loss`], whose total weight is given) and its gradients, on a graph of its own.
/// `told` receives every step's loss.
///
/// # Errors
/// Errors of `draw` and `share`.
pub fn fit<A, M, T, E>(
    module: M,
    device: &<A as BackendTypes>::Device,
    recipe: &Recipe,
    draw: impl FnMut() -> Result<T, E>,
    share: impl Fn(&M, &[T], f32) -> Result<Tensor<A, 1>, E> + Sync,
    told: impl FnMut(usize, f32),
) -> Result<M, E>
where
    A: AutodiffBackend,
    M: AutodiffModule<A> + Send + Sync,
    T: AsRef<Text> + Sync,
    E: Send,
{
    let weigh = |text: &T| text.as_ref().weight();
    fit_weighed(module, device, (recipe, weigh), draw, share, told)
}

/// [`fit`] for anything that has a weight in the loss. An even number of texts per step fills two
/// threads; each gets half, so there must be two or more.
///
/// # Errors
/// Errors of `draw` and `share`.
pub fn fit_weighed<A, M, T, E>(
    mut module: M,
    device: &<A as BackendTypes>::Device,
    (recipe, weigh): (&Recipe, impl Fn(&T) -> f32),
    mut draw: impl FnMut() -> Result<T, E>,
    share: impl Fn(&M, &[T], f32) -> Result<Tensor<A, 1>, E> + Sync,
    mut told: impl FnMut(usize, f32),
) -> Result<M, E>
where
    A: AutodiffBackend,
    M: AutodiffModule<A> + Send + Sync,
    T: Sync,
    E: Send,
{
    let mut optimizer = AdamWConfig::new()
        .with_beta_2(0.95)
        .with_weight_decay(recipe.decay)
        .with_grad_clipping(Some(GradientClippingConfig::Norm(1.0)))
        .init::<A, M>();
    let warm_up = 100.min(recipe.steps / 10).max(1);
    let gradients = |module: &M, texts: &[T], total| -> Result<(f32, GradientsParams), E> {
        let loss = share(module, texts, total)?;
        let value = loss.to_data().iter::<f32>().next().unwrap_or(f32::NAN);
        Ok((value, GradientsParams::from_grads(loss.backward(), module)))
    };
    for step in 0..recipe.steps {
        let texts = (0..recipe.batch).map(|_| draw()).collect::<Result<Vec<_>, _>>()?;
        // Two halves side by side: small matrix products leave a second core idle.
        let (left, right) = texts.split_at(texts.len() / 2);
        let total = texts.iter().map(&weigh).sum();
        // Threads, not rayon tasks, and a graph each: burn's autodiff locks would otherwise meet.
        let (one, other) = (module.clone().fork(device), module.clone().fork(device));
        let left = || gradients(&one, left, total);
        let (left, right) = std::thread::scope(|scope| {
            let begun = Builder::new().spawn_scoped(scope, left);
            let right = gradients(&other, right, total);
            let left = begun.map_or_else(|_| Ok(left()), ScopedJoinHandle::join);
            (left.unwrap_or_else(|panic| std::panic::resume_unwind(panic)), right)
        });
        let ((a, left), (b, right)) = (left?, right?);
        told(step, a + b);
        let mut sum = GradientsAccumulator::new();
        sum.accumulate(&module, left);
        sum.accumulate(&module, right);
        let warm = ((step + 1) as f64 / warm_up as f64).min(1.0);
        let cosine = 0.5 + 0.5 * (std::f64::consts::PI * step as f64 / recipe.steps as f64).cos();
        module = optimizer.step(recipe.learning_rate * warm * cosine, module, sum.grads());
    }
    Ok(module)
}

/// The part of these texts in the mean cross-entropy over all tokens of a step, whose weights add
/// up to `total`. With a large vocabulary, no logits are computed for tokens without weight.
///
/// # Errors
/// A failed forward pass.
pub fn text_loss<A: AutodiffBackend, T: AsRef<Text>>(
    model: &impl HookedModel<A>,
    texts: &[T],
    total: f32,
    observer: &mut dyn Observer<A>,
) -> Result<Tensor<A, 1>, ProbeError> {
    let sequences = texts.iter().map(|text| {
        let tokens = text.as_ref().tokens.clone();
        let roles = vec![TokenRole::Prompt; tokens.len()];
        Sequence::chain(tokens, roles)
    });
    let batch = TokenBatch::new(&sequences.collect::<Result<Vec<_>, _>>()?)?;
    let (rows, width) = (batch.rows(), batch.width());
    let mut targets = vec![0i32; rows * width];
    let mut weights = vec![0f32; rows * width];
    for (row, text) in texts.iter().map(AsRef::as_ref).enumerate() {
        for (i, next) in text.tokens.iter().enumerate().skip(1) {
            let at = row * width + i - 1;
            targets[at] = *next as i32;
            weights[at] = text.weight_of(i) / total;
        }
    }
    let vocab = model.dims().vocab;
    if rows * width * vocab <= LOGITS_AT_ONCE || observer.wants(Site::Logits) {
        let logits = model.logits(&batch, observer)?.reshape([rows * width, vocab]);
        return Ok(cells_loss(logits, targets, weights));
    }
    let hidden = model.hidden(&batch, observer)?;
    let at_once = (LOGITS_AT_ONCE / vocab.max(1)).max(1);
    weighted_loss(hidden, &targets, &weights, at_once, |cells| model.unembed(cells))
}

/// The loss of only those cells that have weight, some at a time. Cells without weight, such as
/// most of a text whose answer is learned, get no logits. Until the step is done, the graph keeps
/// the logits of the others, about two numbers per cell and token of the vocabulary.
fn weighted_loss<A: AutodiffBackend>(
    hidden: Tensor<A, 3>,
    targets: &[i32],
    weights: &[f32],
    at_once: usize,
    unembed: impl Fn(Tensor<A, 3>) -> Result<Tensor<A, 3>, ProbeError>,
) -> Result<Tensor<A, 1>, ProbeError> {
    let ([rows, width, d_model], device) = (hidden.dims(), hidden.device());
    let hidden = hidden.reshape([rows * width, d_model]);
    let counting: Vec<usize> = (0..weights.len()).filter(|cell| weights[*cell] != 0.0).collect();
    let mut losses = Vec::new();
    for cells in counting.chunks(at_once) {
        let indices = cells.iter().map(|cell| *cell as i32).collect();
        let indices: Tensor<A, 1, Int> =
            Tensor::from_data(TensorData::new(indices, [cells.len()]), &device);
        let logits = unembed(hidden.clone().select(0, indices).unsqueeze_dim(0))?.squeeze_dim(0);
        let targets = cells.iter().map(|cell| targets[*cell]).collect();
        losses.push(cells_loss(logits, targets, cells.iter().map(|cell| weights[*cell]).collect()));
    }
    let none = || f32_from(TensorData::new(vec![0f32], [1]), &device);
    Ok(losses.into_iter().reduce(|sum, loss| sum + loss).unwrap_or_else(none))
}

/// `−Σ w · log p(target)`, from logits `[cells, vocab]`.
fn cells_loss<A: AutodiffBackend>(
    logits: Tensor<A, 2>,
    targets: Vec<i32>,
    weights: Vec<f32>,
) -> Tensor<A, 1> {
    let ([cells, _], device) = (logits.dims(), logits.device());
    let targets: Tensor<A, 2, Int> =
        Tensor::from_data(TensorData::new(targets, [cells, 1]), &device);
    let weights: Tensor<A, 2> = f32_from(TensorData::new(weights, [cells, 1]), &device);
    -(log_softmax(to_f32(logits), 1).gather(1, targets) * weights).sum()
}

impl AsRef<Self> for Text {
    fn as_ref(&self) -> &Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use burn::backend::{Autodiff, Flex};
    use burn::tensor::Distribution;

    use super::*;

    type A = Autodiff<Flex>;

    #[test]
    fn a_loss_in_parts_is_the_loss_and_has_its_gradients() {
        let device = Default::default();
        let random = |shape: [usize; 2]| {
            Tensor::<A, 2>::random(shape, Distribution::Uniform(-1.0, 1.0), &device)
        };
        let (hidden, table) = (random([10, 6]), random([6, 20]));
        let targets: Vec<i32> = (0..10).map(|i| (7 * i) % 20).collect();
        let weights: Vec<f32> = (0..10).map(|i| [0.0, 0.5, 0.1][i % 3]).collect();
        let gradients = |loss: Tensor<A, 1>, leaves: [&Tensor<A, 2>; 2]| {
            let value = loss.clone().into_data().to_vec::<f32>().unwrap();
            let found = loss.backward();
            let of = |leaf: &Tensor<A, 2>| {
                leaf.grad(&found).unwrap().into_data().to_vec::<f32>().unwrap()
            };
            [value, of(leaves[0]), of(leaves[1])]
        };
        let leaves =
            || (hidden.clone().detach().require_grad(), table.clone().detach().require_grad());
        let (h, t) = leaves();
        let expected = gradients(
            cells_loss(h.clone().matmul(t.clone()), targets.clone(), weights.clone()),
            [&h, &t],
        );
        for at_once in [1, 4, 100] {
            let (h, t) = leaves();
            let mut made = std::cell::Cell::new(0);
            let unembed = |cells: Tensor<A, 3>| {
                assert!(cells.dims()[1] <= at_once);
                made.set(made.get() + cells.dims()[1]);
                Ok(cells.matmul(t.clone().unsqueeze_dim(0)))
            };
            let loss =
                weighted_loss(h.clone().reshape([2, 5, 6]), &targets, &weights, at_once, unembed);
            let found = gradients(loss.unwrap(), [&h, &t]);
            assert_eq!(*made.get_mut(), 6, "none where nothing counts");
            for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
                assert!((found - expected).abs() < 1e-6, "{at_once}: {found} and {expected}");
            }
        }
    }
}
