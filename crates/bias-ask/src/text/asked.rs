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

impl Asked<'_> {
    /// The text of a [raw](Self::raw) question, with the beginning of its answer. No space is at its
    /// end: what words follow brings its own, as tokenizers have learnt them.
    #[must_use]
    pub fn raw_text(&self) -> String {
        let text = self.message.trim_end();
        self.prefix.map_or_else(|| text.into(), |own| Self::spaced(text, own.trim_end()))
    }

    /// Joins two texts, with a space between them where words need one: behind a letter, a digit or
    /// a closing mark.
    #[must_use]
    pub fn spaced(before: &str, after: &str) -> String {
        let ends = |c: char| c.is_alphanumeric() || ".,;:!?)]}'\"’”".contains(c);
        let gap = before.ends_with(ends) && !after.starts_with(char::is_whitespace);
        format!("{before}{}{after}", if gap { " " } else { "" })
    }
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
