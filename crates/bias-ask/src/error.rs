//! Errors of asking a model.

use bias_probe::ProbeError;
use thiserror::Error;

/// An error between a question in words and its answers.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AskError {
    /// Options that cannot be told apart or chosen among.
    #[error("choices `{choices}`: {reason}")]
    Choices {
        /// The options as they were given.
        choices: String,
        /// The reason.
        reason: String,
    },
    /// A continuation without tokens, or behind none.
    #[error(
        "{wanted} tokens behind {given} have no likelihood: at least one is needed of each. A text without a context \
         follows the tokenizer's prefix token"
    )]
    Continuation {
        /// The number of tokens that are given.
        given: usize,
        /// The number of tokens whose likelihood is wanted.
        wanted: usize,
    },
    /// A number was asked of a tokenizer that has no digits.
    #[error(
        "no token of the tokenizer is a digit, so no number can be asked for; ask a choice instead"
    )]
    NoDigits,
    /// Logits that are NaN or infinite.
    #[error(
        "the model's logits are not numbers (NaN or infinite) behind token {at} of a prompt: its weights are damaged, or \
         too large for what they are computed in"
    )]
    Logits {
        /// The position in the prompt and the answer, from 0.
        at: usize,
    },
    /// The name does not occur in the prompt.
    #[error(
        "the name `{name}` does not occur in the prompt `{prompt}` as the model sees it, in any Unicode form, with any \
         apostrophe, hyphen or space{near}"
    )]
    NameNotInPrompt {
        /// The name.
        name: String,
        /// The beginning of the prompt.
        prompt: String,
        /// What comes near it, in words; empty if nothing does.
        near: String,
    },
    /// A name that is also a word, in a prompt where no place is surely the person.
    #[error(
        "the name `{name}` may be a word wherever it stands: {places}. Write a surname behind it, or let another word \
         begin the sentence"
    )]
    UnsureName {
        /// The name.
        name: String,
        /// The places, in words.
        places: String,
    },
    /// A number or a choice asked for where the model would still be thinking.
    #[error(
        "the prompt ends within a thought (`…{end}`), so that no {wanted} follows; switch thinking off, as most \
         templates do with the argument enable_thinking=false (--template-arg), or close the thought where you begin the \
         answer (--answer-prefix '<think></think>$')"
    )]
    Thinking {
        /// The prompt's end.
        end: String,
        /// What was asked for.
        wanted: &'static str,
    },
    /// A sampling setting outside its range.
    #[error("sampling: {name} = {value} is impossible; it must be {must}")]
    Sampling {
        /// Which setting.
        name: &'static str,
        /// Its value.
        value: String,
        /// The range.
        must: &'static str,
    },
    /// Values could not be read back from the device.
    #[error("reading {what} back from the device failed: {reason}")]
    Readback {
        /// Which values.
        what: &'static str,
        /// The message of burn.
        reason: String,
    },
    /// A pass whose output has another shape than its batch requires.
    #[error("the model gave {what} of shape {found:?}; this batch needs {expected:?}")]
    Shape {
        /// Which output.
        what: &'static str,
        /// The expected shape.
        expected: Vec<usize>,
        /// The shape found.
        found: Vec<usize>,
    },
    /// The forward pass failed, or a sequence cannot be run.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// An error of the model, the tokenizer or the service itself.
    #[error(transparent)]
    Outside {
        /// The error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl AskError {
    /// Wraps an error of another crate, such as a tokenizer's.
    #[must_use]
    pub fn outside(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Outside { source: error.into() }
    }
}
