//! A question that is ready to be asked.

use std::sync::Arc;

use crate::form::Form;
use crate::wire::{Endpoint, Prefill, Prompt};

/// A question that is ready to be asked any number of times. Copies share its words.
#[derive(Debug, Clone)]
pub struct HostedQuestion(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    endpoint: Endpoint,
    /// The text to continue, or the user's message.
    words: Box<str>,
    /// The beginning of the answer in a chat.
    begun: Option<Box<str>>,
    form: Form,
    stream: u64,
}

impl HostedQuestion {
    pub(crate) fn new(
        endpoint: Endpoint,
        words: String,
        begun: Option<&str>,
        form: Form,
        stream: u64,
    ) -> Self {
        let (words, begun) = (words.into(), begun.map(Into::into));
        Self(Arc::new(Inner { endpoint, words, begun, form, stream }))
    }

    /// Where it is asked.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        self.0.endpoint
    }

    /// The text that is continued, or the user's message.
    #[must_use]
    pub fn words(&self) -> &str {
        &self.0.words
    }

    /// The beginning of the answer, where it is no part of [`words`](Self::words).
    #[must_use]
    pub fn begun(&self) -> Option<&str> {
        self.0.begun.as_deref()
    }

    pub(crate) fn form(&self) -> &Form {
        &self.0.form
    }

    pub(crate) fn stream(&self) -> u64 {
        self.0.stream
    }

    /// Its words for a request.
    pub(crate) fn prompt<'a>(
        &'a self,
        system: Option<&'a str>,
        prefill: Option<Prefill>,
    ) -> Prompt<'a> {
        match self.0.endpoint {
            Endpoint::Completions => Prompt::Text(&self.0.words),
            Endpoint::Chat | Endpoint::Messages => Prompt::Turns {
                system,
                message: &self.0.words,
                begun: self.0.begun.as_deref().zip(prefill),
            },
        }
    }
}
