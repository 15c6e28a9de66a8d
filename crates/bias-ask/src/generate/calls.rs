use super::decoding::{DecodeOptions, Decoding};
use crate::error::AskError;

/// Turns an answer's tokens into text.
pub type ToText<'t> = dyn Fn(&[u32]) -> Result<String, AskError> + Sync + 't;

/// Receives the number of questions that were just answered, from any thread.
pub type Done<'d> = dyn Fn(usize) + Sync + 'd;

/// How a model is asked: the arguments of [`Answering::ask`](super::Answering::ask) besides the
/// questions.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    /// How answers are taken from the model.
    pub decoding: Decoding,
    /// Sampling, end tokens, batches and threads.
    pub options: &'a DecodeOptions,
    /// Turns an answer's tokens into text.
    pub text: &'a ToText<'a>,
    /// Receives the number of questions that were just answered.
    pub done: &'a Done<'a>,
}

impl<'a> Asking<'a> {
    /// Asks without reporting progress.
    #[must_use]
    pub fn new(decoding: Decoding, options: &'a DecodeOptions, text: &'a ToText<'a>) -> Self {
        Self { decoding, options, text, done: &|_| {} }
    }

    /// Reports progress: `done` receives the number of questions that were just answered.
    #[must_use]
    pub fn telling(self, done: &'a Done<'a>) -> Self {
        Self { done, ..self }
    }
}

impl std::fmt::Debug for Asking<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asking")
            .field("decoding", &self.decoding)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
