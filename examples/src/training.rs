//! Training small models on texts that are drawn as they are needed.

use std::time::Instant;

use bias_core::TokenRole;
use bias_model::{Decoder, HookedModel as _, ModelError, TextCodec};
use bias_probe::{Observer, Sequence, TokenBatch};
use burn::backend::{Autodiff, Flex};
use burn::grad_clipping::GradientClippingConfig;
use burn::module::AutodiffModule;
use burn::optim::{AdamWConfig, GradientsAccumulator, GradientsParams, Optimizer as _};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::Failure;
use crate::folder::EOS;

/// What models are trained on.
pub type Training = Autodiff<Flex>;

/// A training text.
#[derive(Debug, Clone)]
pub struct Text {
    /// Its tokens.
    pub tokens: Vec<u32>,
    /// From where on they are the answer.
    pub answer: usize,
}

/// Answers are the point of the task and a small part of the text: they weigh more in the loss.
const ANSWER_WEIGHT: f32 = 4.0;

impl Text {
    /// A sentence that asks nothing.
    ///
    /// # Errors
    /// Those of the tokenizer.
    pub fn plain(codec: &TextCodec, sentence: &str) -> Result<Self, ModelError> {
        let mut tokens = codec.plain(sentence)?.tokens().to_vec();
        tokens.push(EOS);
        Ok(Self { answer: tokens.len(), tokens })
    }

    /// A question with its answer.
    ///
    /// # Errors
    /// Those of the chat template and the tokenizer.
    pub fn answered(codec: &TextCodec, question: &str, answer: &str) -> Result<Self, ModelError> {
        let mut tokens = codec.verbatim(&codec.render(question)?)?;
        let start = tokens.len();
        tokens.extend(codec.verbatim(answer)?);
        tokens.push(EOS);
        Ok(Self { tokens, answer: start })
    }

    /// What its token `i` counts in the loss.
    fn weight_of(&self, i: usize) -> f32 {
        match i {
            0 => 0.0,
            i if i >= self.answer => ANSWER_WEIGHT,
            _ => 1.0,
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
/// ([`loss`], whose total weight is given) and its gradients, on a graph of its own.
///
/// # Errors
/// Those of `draw` and `share`.
pub fn fit<M, T>(
    mut module: M,
    recipe: &Recipe,
    mut draw: impl FnMut() -> Result<T, Failure>,
    share: impl Fn(&M, &[T], f32) -> Result<Tensor<Training, 1>, Failure> + Sync,
) -> Result<M, Failure>
where
    M: AutodiffModule<Training> + Send + Sync,
    T: AsRef<Text> + Sync,
{
    let device = Default::default();
    let mut optimizer = AdamWConfig::new()
        .with_beta_2(0.95)
        .with_weight_decay(recipe.decay)
        .with_grad_clipping(Some(GradientClippingConfig::Norm(1.0)))
        .init::<Training, M>();
    let bar = ProgressBar::new(recipe.steps as u64).with_style(ProgressStyle::with_template(
        "{elapsed_precise} {bar:40} {pos}/{len} steps, {eta} left  {msg}",
    )?);
    let started = Instant::now();
    let warm_up = 100.min(recipe.steps / 10).max(1);
    let gradients = |module: &M, texts: &[T], total| -> Result<(f32, GradientsParams), Failure> {
        let loss = share(module, texts, total)?;
        let value = loss.to_data().to_vec::<f32>().map_err(|e| format!("{e:?}"))?;
        let gradients = GradientsParams::from_grads(loss.backward(), module);
        Ok((value.first().copied().unwrap_or(f32::NAN), gradients))
    };
    for step in 0..recipe.steps {
        let texts = (0..recipe.batch).map(|_| draw()).collect::<Result<Vec<_>, _>>()?;
        // Two halves side by side: small matrix products leave a second core idle.
        let (left, right) = texts.split_at(texts.len() / 2);
        let total = texts.iter().map(|text| text.as_ref().weight()).sum();
        // Threads, not rayon tasks, and a graph each: burn's autodiff locks would otherwise meet.
        let (one, other) = (module.clone().fork(&device), module.clone().fork(&device));
        let (left, right) = std::thread::scope(|scope| {
            let left = scope.spawn(|| gradients(&one, left, total));
            let right = gradients(&other, right, total);
            (left.join(), right)
        });
        let ((a, left), (b, right)) = (left.map_err(|_| "a training thread panicked")??, right?);
        if step % 50 == 0 || step + 1 == recipe.steps {
            let message = format!("loss {:.3}", a + b);
            if bar.is_hidden() {
                println!("{step} {message} {:.0} s", started.elapsed().as_secs_f64());
            }
            bar.set_message(message);
        }
        let mut sum = GradientsAccumulator::new();
        sum.accumulate(&module, left);
        sum.accumulate(&module, right);
        let warm = ((step + 1) as f64 / warm_up as f64).min(1.0);
        let cosine = 0.5 + 0.5 * (std::f64::consts::PI * step as f64 / recipe.steps as f64).cos();
        module = optimizer.step(recipe.learning_rate * warm * cosine, module, sum.grads());
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(module)
}

/// These texts' share of the mean cross-entropy over all tokens of a step, which weigh `total` together.
///
/// # Errors
/// A failed forward pass.
pub fn loss<T: AsRef<Text>>(
    model: &Decoder<Training>,
    texts: &[T],
    total: f32,
    observer: &mut dyn Observer<Training>,
) -> Result<Tensor<Training, 1>, Failure> {
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
    let log_p = log_softmax(logits.reshape([rows * width, vocab]), 1);
    let targets: Tensor<Training, 2, Int> =
        Tensor::from_data(TensorData::new(targets, [rows * width, 1]), &device);
    let weights: Tensor<Training, 2> =
        Tensor::from_data(TensorData::new(weights, [rows * width, 1]), &device);
    Ok(-(log_p.gather(1, targets) * weights).sum())
}

impl AsRef<Self> for Text {
    fn as_ref(&self) -> &Self {
        self
    }
}
