//! Whoever answers questions in words.

use bias_types::ModelDims;

use crate::error::AskError;
use crate::generate::answers::Answers;
use crate::generate::calls::Done;
use crate::generate::decoding::{DecodeOptions, Decoding};
use crate::text::asked::{Asked, Wanted};

/// Whoever answers questions in words: a model that is loaded here, one that is hosted elsewhere,
/// answers that were recorded. Auditing needs nothing more, and no tensor.
pub trait Respond {
    /// A question made ready to be asked any number of times: its tokens, or a copy of its words.
    type Question: Clone + Send + Sync;

    /// Makes a question ready. Questions of one `stream` draw with the same random numbers.
    ///
    /// # Errors
    /// A question that cannot be asked, such as one without the name in it.
    fn prepare(
        &self,
        asked: &Asked<'_>,
        wanted: Wanted<'_>,
        stream: u64,
    ) -> Result<Self::Question, AskError>;

    /// All that makes a question what it is to whoever answers, as text: a kept study is recognised
    /// by it.
    fn key(&self, question: &Self::Question) -> String;

    /// The text of a question as whoever answers sees it, special tokens written out; `None` where
    /// that is not known, as by default. It tells whether an answer begins within a thought.
    ///
    /// # Errors
    /// Tokens that cannot be decoded.
    fn written(&self, question: &Self::Question) -> Result<Option<String>, AskError> {
        let _ = question;
        Ok(None)
    }

    /// Answers every question, in order, on so many threads; `done` is told how many questions were
    /// answered each time that some were.
    ///
    /// An answer to a choice has the text of the word chosen; one that is none of them has neither
    /// text nor tokens.
    ///
    /// # Errors
    /// Whatever keeps it from answering.
    fn respond(
        &self,
        questions: &[Self::Question],
        decoding: Decoding,
        threads: usize,
        done: &Done<'_>,
    ) -> Result<Vec<Answers>, AskError>;

    /// Sampling, end tokens and limits that answers are taken with.
    fn options(&self) -> &DecodeOptions;

    /// What decides its answers beside the questions and the [options](Self::options).
    ///
    /// # Errors
    /// Files that cannot be read.
    fn identity(&self) -> Result<Identity, AskError>;

    /// Whether answers can end before they are cut.
    fn ends(&self) -> bool {
        !self.options().stop.is_empty()
    }

    /// Log-probability in nats of every token but the first of some texts, text by text, a text of
    /// one token having none; `None` where that is not known, as by default.
    ///
    /// # Errors
    /// A text that cannot be encoded or is too long.
    fn log_probs(&self, texts: &[String]) -> Result<Option<Vec<Vec<f64>>>, AskError> {
        let _ = texts;
        Ok(None)
    }
}

/// What decides somebody's answers, beside the questions. What is not known is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// SHA-256 of the weights, where they came from files.
    pub fingerprint: String,
    /// Sizes of the model, where they are known.
    pub dims: Option<ModelDims>,
    /// What tensors are computed with.
    pub backend: String,
    /// The model's settings.
    pub configuration: String,
    /// What the tokenizer is recognised by.
    pub tokenizer: String,
    /// The type that weights are held in.
    pub weights: String,
}
