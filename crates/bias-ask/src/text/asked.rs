use crate::question::options::Choices;

/// A question about a person, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'t> {
    /// The user's question; for a [raw](Self::raw) question, the text to continue.
    pub message: &'t str,
    /// The person's name as written in the message.
    pub name: &'t str,
    /// The beginning of the answer, which the model continues.
    pub prefix: Option<&'t str>,
    /// Whether the text is used as it is, without chat template and system message.
    pub raw: bool,
}

/// The form of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted<'t> {
    /// Any words.
    Words,
    /// A number, and nothing else.
    Number,
    /// One of these options.
    Choice(&'t Choices),
}
