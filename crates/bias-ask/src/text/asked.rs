use crate::question::options::Choices;

/// A question about a person, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'t> {
    /// What the user asks; of a [raw](Self::raw) question, the text to go on with.
    pub message: &'t str,
    /// The person's name as it stands there.
    pub name: &'t str,
    /// How the answer begins: the model goes on from there.
    pub prefix: Option<&'t str>,
    /// Whether the text is given as it stands, without chat template and system message.
    pub raw: bool,
}

/// What kind of answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted<'t> {
    /// Any words.
    Words,
    /// A number, and nothing else.
    Number,
    /// One of these.
    Choice(&'t Choices),
}
