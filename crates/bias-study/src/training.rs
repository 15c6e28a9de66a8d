//! Training on texts that are drawn as they are needed: small models from nothing, or a little of a large one.

use bias_probe::device::{wide, wide_from};
use bias_probe::{HookedModel, Observer, ProbeError, Sequence, TokenBatch};
use bias_types::TokenRole;
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
    /// From where on they are the answer.
    pub answer: usize,
    /// Whether what comes before the answer is learned as well.
    pub whole: bool,
}

/// Answers are the point of the task and a small part of the text: they weigh more in the loss.
const ANSWER_WEIGHT: f32 = 4.0;

impl Text {
    /// What its token `i` counts in the loss.
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

/// How long and how fast.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    /// Optimiser steps.
    pub steps: usize,
    /// Texts per step.
    pub batch: usize,
    /// Peak learning rate; a linear rise, then half a cosine down.
    pub learning_rate: f64,
    /// Weight decay.
    pub decay: f32,
}

/// Trains `module` by AdamW on what `draw` gives. `share` computes some texts' share of the loss
/// ([`text_loss`], whose total weight is given) and its gradients, on a graph of its own. `told` hears every step's loss.
///
/// # Errors
/// Those of `draw` and `share`.
pub fn fit<A, M, T, E>(
    mut module: M,
    device: &<A as BackendTypes>::Device,
    recipe: &Recipe,
    mut draw: impl FnMut() -> Result<T, E>,
    share: impl Fn(&M, &[T], f32) -> Result<Tensor<A, 1>, E> + Sync,
    mut told: impl FnMut(usize, f32),
) -> Result<M, E>
where
    A: AutodiffBackend,
    M: AutodiffModule<A> + Send + Sync,
    T: AsRef<Text> + Sync,
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
        let total = texts.iter().map(|text| text.as_ref().weight()).sum();
        // Threads, not rayon tasks, and a graph each: burn's autodiff locks would otherwise meet.
        let (one, other) = (module.clone().fork(device), module.clone().fork(device));
        let (left, right) = std::thread::scope(|scope| {
            let left = scope.spawn(|| gradients(&one, left, total));
            let right = gradients(&other, right, total);
            (left.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), right)
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

/// These texts' share of the mean cross-entropy over all tokens of a step, which weigh `total` together.
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
    let device = model.device();
    let logits = model.logits(&batch, observer)?;
    let vocab = logits.dims()[2];
    let log_p = log_softmax(wide(logits).reshape([rows * width, vocab]), 1);
    let targets: Tensor<A, 2, Int> = Tensor::from_data(TensorData::new(targets, [rows * width, 1]), &device);
    let weights: Tensor<A, 2> = wide_from(TensorData::new(weights, [rows * width, 1]), &device);
    Ok(-(log_p.gather(1, targets) * weights).sum())
}

impl AsRef<Self> for Text {
    fn as_ref(&self) -> &Self {
        self
    }
}
