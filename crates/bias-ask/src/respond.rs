//! Anything that answers questions in words.

use bias_types::ModelDims;

use crate::error::AskError;
use crate::generate::answers::Answers;
use crate::generate::calls::Done;
use crate::generate::decoding::{DecodeOptions, Decoding};
use crate::text::asked::{Asked, Wanted};

/// Anything that answers questions in words: a loaded model, a hosted one, recorded answers. An
/// audit needs nothing more, and no tensors.
pub trait Respond {
    /// A question that is ready to be asked any number of times: its tokens, or a copy of its
    /// words.
    type Question: Clone + Send + Sync;

    /// Prepares a question. Questions of one `stream` draw with the same random numbers.
    ///
    /// # Errors
    /// A question that cannot be asked, such as one that does not contain the name.
    fn prepare(
        &self,
        asked: &Asked<'_>,
        wanted: Wanted<'_>,
        stream: u64,
    ) -> Result<Self::Question, AskError>;

    /// A text that identifies the question for this responder. A kept study is recognised by it.
    fn key(&self, question: &Self::Question) -> String;

    /// The text of a question as the model sees it, with special tokens; `None` where it is not
    /// known, as by default. It tells whether an answer begins within a thought.
    ///
    /// # Errors
    /// Tokens that cannot be decoded.
    fn written(&self, question: &Self::Question) -> Result<Option<String>, AskError> {
        let _ = question;
        Ok(None)
    }

    /// Answers every question, in order, on this many threads. `done` receives the number of
    /// questions that were just answered.
    ///
    /// An answer to a choice has the text of the chosen word. An answer that matches no option has
    /// neither text nor tokens.
    ///
    /// # Errors
    /// Any error that keeps it from answering.
    fn respond(
        &self,
        questions: &[Self::Question],
        decoding: Decoding,
        threads: usize,
        done: &Done<'_>,
    ) -> Result<Vec<Answers>, AskError>;

    /// The settings of its answers: sampling, end tokens and limits.
    fn options(&self) -> &DecodeOptions;

    /// Everything that decides its answers besides the questions and the [options](Self::options).
    ///
    /// # Errors
    /// Files that cannot be read.
    fn identity(&self) -> Result<Identity, AskError>;

    /// Whether answers can end before they are cut off.
    fn ends(&self) -> bool {
        !self.options().stop.is_empty()
    }

    /// The log-probability in nats of every token but the first, for each text. A text of one token
    /// has none. `None`, the default, means that log-probabilities are unknown.
    ///
    /// # Errors
    /// A text that cannot be encoded or is too long.
    fn log_probs(&self, texts: &[String]) -> Result<Option<Vec<Vec<f64>>>, AskError> {
        let _ = texts;
        Ok(None)
    }
}

/// A responder that is lent, so that several audits can ask it one after the other.
impl<R: Respond> Respond for &R {
    type Question = R::Question;

    fn prepare(
        &self,
        asked: &Asked<'_>,
        wanted: Wanted<'_>,
        stream: u64,
    ) -> Result<Self::Question, AskError> {
        (**self).prepare(asked, wanted, stream)
    }

    fn key(&self, question: &Self::Question) -> String {
        (**self).key(question)
    }

    fn written(&self, question: &Self::Question) -> Result<Option<String>, AskError> {
        (**self).written(question)
    }

    fn respond(
        &self,
        questions: &[Self::Question],
        decoding: Decoding,
        threads: usize,
        done: &Done<'_>,
    ) -> Result<Vec<Answers>, AskError> {
        (**self).respond(questions, decoding, threads, done)
    }

    fn options(&self) -> &DecodeOptions {
        (**self).options()
    }

    fn identity(&self) -> Result<Identity, AskError> {
        (**self).identity()
    }

    fn ends(&self) -> bool {
        (**self).ends()
    }

    fn log_probs(&self, texts: &[String]) -> Result<Option<Vec<Vec<f64>>>, AskError> {
        (**self).log_probs(texts)
    }
}

/// Everything that decides a responder's answers besides the questions. Unknown parts are empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// SHA-256 of the weights, if they came from files.
    pub fingerprint: String,
    /// The sizes of the model, if known.
    pub dims: Option<ModelDims>,
    /// The backend that computes.
    pub backend: String,
    /// The model's settings.
    pub configuration: String,
    /// The identity of the tokenizer, such as the hash of its file.
    pub tokenizer: String,
    /// The type of the weights in memory.
    pub weights: String,
    /// The date that the chat template tells the model, if it tells one: `2026-11-29`.
    pub date: Option<String>,
}
