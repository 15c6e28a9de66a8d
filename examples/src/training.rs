//! Training the models that this repository ships.

use std::time::Instant;

use bias_model::{ModelError, TextCodec};
use bias_study::training::{Recipe, Text, fit};
use burn::backend::{Autodiff, Flex};
use burn::module::AutodiffModule;
use burn::tensor::Tensor;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::Failure;
use crate::folder::EOS;

/// What models are trained on.
pub type Training = Autodiff<Flex>;

/// A sentence that asks nothing.
///
/// # Errors
/// Those of the tokenizer.
pub fn plain(codec: &TextCodec, sentence: &str) -> Result<Text, ModelError> {
    let mut tokens = codec.plain(sentence)?.tokens().to_vec();
    tokens.push(EOS);
    Ok(Text { answer: tokens.len(), tokens, whole: true })
}

/// A question with its answer.
///
/// # Errors
/// Those of the chat template and the tokenizer.
pub fn answered(codec: &TextCodec, question: &str, answer: &str) -> Result<Text, ModelError> {
    let mut tokens = codec.verbatim(&codec.render(question)?)?;
    let start = tokens.len();
    tokens.extend(codec.verbatim(answer)?);
    tokens.push(EOS);
    Ok(Text { tokens, answer: start, whole: true })
}

/// [`fit`] with a bar, or a line now and then where there is no terminal.
///
/// # Errors
/// As [`fit`].
pub fn shown<M, T>(
    module: M,
    recipe: &Recipe,
    draw: impl FnMut() -> Result<T, Failure>,
    share: impl Fn(&M, &[T], f32) -> Result<Tensor<Training, 1>, Failure> + Sync,
) -> Result<M, Failure>
where
    M: AutodiffModule<Training> + Send + Sync,
    T: AsRef<Text> + Sync,
{
    let bar = ProgressBar::new(recipe.steps as u64).with_style(ProgressStyle::with_template(
        "{elapsed_precise} {bar:40} {pos}/{len} steps, {eta} left  {msg}",
    )?);
    let started = Instant::now();
    let told = |step: usize, loss: f32| {
        bar.inc(1);
        if step.is_multiple_of(50) || step + 1 == recipe.steps {
            let message = format!("loss {loss:.3}");
            if bar.is_hidden() {
                println!("{step} {message} {:.0} s", started.elapsed().as_secs_f64());
            }
            bar.set_message(message);
        }
    };
    let module = fit(module, &Default::default(), recipe, draw, share, told)?;
    bar.finish_and_clear();
    Ok(module)
}
