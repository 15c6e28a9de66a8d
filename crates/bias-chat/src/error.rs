use thiserror::Error;

/// The reason why a template gave no text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChatError {
    /// The template does not compile, refuses the conversation, or exceeds a limit.
    #[error("{reason}")]
    Template {
        /// The reason, with the line.
        reason: String,
        /// The text that the template passed to `raise_exception`, or the reason without its line.
        detail: Option<String>,
    },
    /// The source is too long to be read.
    #[error("the template has {found} bytes; {} are read", crate::limits::MAX_SOURCE)]
    TooLarge {
        /// The length of the source in bytes.
        found: u64,
    },
    /// A date that does not exist.
    #[error("there is no day {year}-{month:02}-{day:02}")]
    Date {
        /// The year.
        year: i16,
        /// The month, from 1.
        month: i8,
        /// The day of the month, from 1.
        day: i8,
    },
    /// An argument that the template does not read, or that every template is given anyway.
    #[error(
        "the chat template takes no argument `{name}`; {}",
        if known.is_empty() { "it takes none".into() } else { format!("it takes {}", known.join(", ")) }
    )]
    Argument {
        /// The argument's name.
        name: String,
        /// The names that the template reads.
        known: Vec<String>,
    },
    /// Tools or documents that are not a list of objects.
    #[error("`{name}` is {value}; expected a list of objects, such as [{{\"name\": \"search\"}}]")]
    Value {
        /// The argument's name.
        name: String,
        /// Its value.
        value: String,
    },
    /// The template does not show how an answer begins, so no answer can be begun for the model.
    #[error("the chat template does not show the last message, so it cannot be continued")]
    Continuation,
}

impl ChatError {
    pub(crate) fn of_template(error: minijinja::Error) -> Self {
        Self::Template { reason: error.to_string(), detail: error.detail().map(str::to_owned) }
    }
}
