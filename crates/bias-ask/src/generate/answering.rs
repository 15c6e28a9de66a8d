use bias_probe::{HookedModel, Sequence};
use burn::tensor::backend::Backend;

use super::answers::Answers;
use super::calls::{Asking, Done};
use super::continuation::{Continuation, Likelihood};
use super::decoding::{DecodeOptions, Decoding};
use super::engine::ask_uncached;
use super::likelihoods::log_likelihoods_uncached;
use crate::error::AskError;
use crate::question::{Question, QuestionKind};

/// A model that can be asked.
///
/// Implement it with no method at all: the default needs only the forward pass, and for every token
/// runs each prompt again with its living answers. A model that caches its work implements
/// [`Cached`](super::Cached) and asks through [`ask_cached`](super::ask_cached). Run
/// `testing::check_answering` on a model of your own (feature `testing`).
pub trait Answering<B: Backend>: HookedModel<B> {
    /// Asks every question, and returns the answers in the questions' order.
    ///
    /// All answers to a prompt grow as one tree behind it. A choice takes one pass, whatever the
    /// decoding: every word gets its exact probability, at temperature 1 and without a cut-off.
    ///
    /// # Errors
    /// A token or position that the model does not have, [`AskError::Logits`], or a failed
    /// readback.
    fn ask(&self, questions: &[Question], asking: &Asking<'_>) -> Result<Vec<Answers>, AskError> {
        ask_uncached(self, questions, asking)
    }

    /// How likely the model finds each continuation, in their order.
    ///
    /// If the model [is causal](HookedModel::is_causal), texts that begin alike run as one prefix
    /// tree. Memory is bounded by a batch: of the logits, only the log-probabilities of wanted
    /// tokens are kept. `done` receives the number of continuations that were just scored.
    ///
    /// # Errors
    /// A token or position that the model does not have, [`AskError::Logits`], or a failed
    /// readback.
    fn log_likelihoods(
        &self,
        wanted: &[Continuation],
        options: &DecodeOptions,
        done: &Done<'_>,
    ) -> Result<Vec<Likelihood>, AskError> {
        log_likelihoods_uncached(self, wanted, options, done)
    }

    /// The most tokens that a text may have, if there is a limit.
    fn context(&self) -> Option<usize> {
        None
    }

    /// Everything besides weights and code that decides the model's numbers, such as its
    /// `config.json`. A kept study is recognised by it, among others.
    fn configuration(&self) -> String {
        String::new()
    }
}

/// Asks the model every prompt for a free answer. `text` turns an answer's tokens into text.
///
/// # Errors
/// As [`Answering::ask`].
pub fn decode<B: Backend, M: Answering<B> + ?Sized>(
    model: &M,
    prompts: &[Sequence],
    decoding: Decoding,
    options: &DecodeOptions,
    text: impl Fn(&[u32]) -> Result<String, AskError> + Sync,
) -> Result<Vec<Answers>, AskError> {
    let free = |(i, prompt): (usize, &Sequence)| Question {
        prompt: prompt.clone(),
        kind: QuestionKind::Free,
        stream: i as u64,
    };
    let questions: Vec<Question> = prompts.iter().enumerate().map(free).collect();
    model.ask(&questions, &Asking::new(decoding, options, &text))
}
