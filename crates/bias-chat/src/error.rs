use thiserror::Error;

/// Why a template gave no text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChatError {
    /// It does not compile, refuses the conversation, or takes more than it may.
    #[error("{reason}")]
    Template {
        /// What is wrong, and in which line.
        reason: String,
        /// What the template itself said with `raise_exception`, or the reason without its line.
        detail: Option<String>,
    },
    /// Its source is too long to be read.
    #[error("the template has {found} bytes; {} are read", crate::limits::MAX_SOURCE)]
    TooLarge {
        /// Bytes of the source.
        found: u64,
    },
    /// A day that no calendar has.
    #[error("there is no day {year}-{month:02}-{day:02}")]
    Date {
        /// The year.
        year: i16,
        /// The month, from 1.
        month: i8,
        /// The day of the month, from 1.
        day: i8,
    },
    /// It does not show how an answer begins, so none can be begun for the model.
    #[error("the chat template does not show the last message, so it cannot be continued")]
    Continuation,
}

impl ChatError {
    pub(crate) fn of_template(error: minijinja::Error) -> Self {
        Self::Template { reason: error.to_string(), detail: error.detail().map(str::to_owned) }
    }
}
