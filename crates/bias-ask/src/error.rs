//! What can go wrong while a model is asked.

use bias_probe::ProbeError;
use thiserror::Error;

/// What can go wrong between a question in words and its answers.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AskError {
    /// Options that cannot be chosen among.
    #[error("choices `{choices}`: {reason}")]
    Choices {
        /// As they were given.
        choices: String,
        /// What is wrong with them.
        reason: String,
    },
    /// A number asked of a tokenizer that has none.
    #[error(
        "no token of the tokenizer is a digit, so no number can be asked for; ask a choice instead"
    )]
    NoDigits,
    /// Logits that are not numbers.
    #[error(
        "the model's logits are not numbers (NaN or infinite) behind token {at} of a prompt: its weights are damaged, or \
         too large for what they are computed in"
    )]
    Logits {
        /// Which token of the prompt and the answer, from 0.
        at: usize,
    },
    /// A prompt in which the name does not occur.
    #[error("the name `{name}` does not occur in the prompt `{prompt}` as the model sees it")]
    NameNotInPrompt {
        /// The name.
        name: String,
        /// The prompt's beginning.
        prompt: String,
    },
    /// A number or a choice asked for where the model would still be thinking.
    #[error(
        "the prompt ends within a thought (`…{end}`), so that no {wanted} follows; switch thinking off, as most \
         templates do with the argument enable_thinking=false (--template-arg), or begin the answer (--answer-prefix)"
    )]
    Thinking {
        /// The prompt's end.
        end: String,
        /// What was asked for.
        wanted: &'static str,
    },
    /// A sampling setting outside what is possible.
    #[error("sampling: {name} = {value} is impossible; it must be {must}")]
    Sampling {
        /// Which setting.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        must: &'static str,
    },
    /// Numbers could not be read back from the device.
    #[error("reading {what} back from the device failed: {reason}")]
    Readback {
        /// What was read.
        what: &'static str,
        /// What burn said.
        reason: String,
    },
    /// A pass that gave another shape than its batch calls for.
    #[error("the model gave {what} of shape {found:?}; this batch needs {expected:?}")]
    Shape {
        /// What it gave.
        what: &'static str,
        /// The shape needed.
        expected: Vec<usize>,
        /// The shape found.
        found: Vec<usize>,
    },
    /// The forward pass failed, or a sequence cannot be run.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// An error of the model's, tokenizer's or service's own.
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
