use bias_probe::{HookedModel, Sequence};
use burn::tensor::backend::Backend;

use super::answers::Answers;
use super::calls::Asking;
use super::decoding::{DecodeOptions, Decoding};
use super::engine::ask_uncached;
use crate::error::AskError;
use crate::question::{Question, QuestionKind};

/// A model that can be asked.
///
/// Implement it with no method at all: the default needs nothing but the forward pass, and runs
/// each prompt with its living answers anew for every token. A model that keeps what it has run
/// implements [`Cached`](super::Cached) and asks by [`ask_cached`](super::ask_cached). Run
/// `testing::check_answering` on your own (feature `testing`).
pub trait Answering<B: Backend>: HookedModel<B> {
    /// Asks every question, and gives the answers in the questions' order.
    ///
    /// All answers to a prompt grow as one tree behind it. A choice is one pass, whatever the
    /// decoding: every word has its exact probability, at temperature 1 and with nothing cut off.
    ///
    /// # Errors
    /// A token or position the model does not have, [`AskError::Logits`], or a failed readback.
    fn ask(&self, questions: &[Question], asking: &Asking<'_>) -> Result<Vec<Answers>, AskError> {
        ask_uncached(self, questions, asking)
    }

    /// Tokens that a text may have at most, where that is limited.
    fn context(&self) -> Option<usize> {
        None
    }

    /// What decides its numbers beside its weights and its code, such as its `config.json`: part of
    /// what a kept study is recognised by.
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
