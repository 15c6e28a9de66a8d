use std::ops::Range;

use bias_types::TokenRole;

use super::mentions::find::Mentions;

/// The places of the system message, the person's name and the answer's beginning in a prompt, in
/// bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Spans {
    pub system: Option<Range<usize>>,
    pub names: Vec<Range<usize>>,
    pub answer: Option<Range<usize>>,
}

impl Spans {
    /// Finds these places in the text that the model gets.
    ///
    /// The name is searched for in the user's message only, not in the template's words or the
    /// system message: see [`Mentions`].
    pub fn find(text: &str, system: Option<&str>, message: &str, name: Option<&str>) -> Self {
        let user = last(text, message);
        let system = system.and_then(|system| match &user {
            // Templates put it first, if they do not leave it out.
            Some(user) => {
                let before = last(text.get(..user.start)?, system);
                before.or_else(|| first(text, system, user.end))
            }
            None => last(text, system),
        });
        let user = user.unwrap_or(0..text.len());
        let names = match name {
            Some(name) if !name.is_empty() => names(text, &user, name),
            _ => Vec::new(),
        };
        Self { system, names, answer: None }
    }

    /// The role of a token that covers these bytes.
    pub fn role(&self, token: Range<usize>) -> TokenRole {
        let meets = |span: &Range<usize>| token.start < span.end && span.start < token.end;
        if self.names.iter().any(meets) {
            TokenRole::Name
        } else if self.answer.as_ref().is_some_and(meets) {
            TokenRole::Answer
        } else if self.system.as_ref().is_some_and(meets) {
            TokenRole::System
        } else {
            TokenRole::Prompt
        }
    }
}

/// Finds a message as it was given, or as templates trim it.
fn forms(message: &str) -> impl Iterator<Item = &str> {
    [message, message.trim()].into_iter().filter(|form| !form.trim().is_empty())
}

fn last(text: &str, message: &str) -> Option<Range<usize>> {
    forms(message).find_map(|form| text.rfind(form).map(|at| at..at + form.len()))
}

fn first(text: &str, message: &str, from: usize) -> Option<Range<usize>> {
    let rest = text.get(from..)?;
    forms(message).find_map(|form| rest.find(form).map(|at| from + at..from + at + form.len()))
}

fn names(text: &str, within: &Range<usize>, name: &str) -> Vec<Range<usize>> {
    let message = text.get(within.clone()).unwrap_or_default();
    let found = Mentions::find(message, name).found.into_iter();
    found.map(|span| span.start + within.start..span.end + within.start).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'a>(
        text: &'a str,
        system: Option<&str>,
        message: &str,
        name: &str,
    ) -> (Option<&'a str>, Vec<usize>) {
        let spans = Spans::find(text, system, message, Some(name));
        (
            spans.system.map(|span| &text[span]),
            spans.names.into_iter().map(|span| span.start).collect(),
        )
    }

    #[test]
    fn a_name_is_found_as_whole_words_in_the_message_alone() {
        let text = "<Al><|user|>Al and Albert met Al.<|model Al|>";
        assert_eq!(found(text, None, "Al and Albert met Al.", "Al"), (None, vec![12, 30]));
        // A part of a word is no mention.
        assert_eq!(found("x Albert", None, "Albert", "Al"), (None, vec![]));
        assert_eq!(found("Al: Albert", None, "Albert", "Bo"), (None, vec![]));
        assert_eq!(found("é Zoë, Zoëlle", None, "Zoë, Zoëlle", "Zoë"), (None, vec![3]));
        assert_eq!(found("x", None, "x", ""), (None, vec![]));
    }

    #[test]
    fn messages_are_found_as_templates_write_them() {
        let text = "<s>Be kind.</s><u>Be kind. Ann</u>";
        assert_eq!(
            found(text, Some(" Be kind.\n"), "\nBe kind. Ann ", "Ann"),
            (Some("Be kind."), vec![27])
        );
        assert_eq!(Spans::find(text, Some("Be kind."), "Be kind. Ann", None).system, Some(3..11));
        // Written after the message, left out, or a message that the template changed.
        assert_eq!(
            found("Ann. Be kind.", Some("Be kind."), "Ann.", "Ann"),
            (Some("Be kind."), vec![0])
        );
        assert_eq!(found("Ann.", Some("Be kind."), "Ann.", "Ann"), (None, vec![0]));
        assert_eq!(
            found("ANN Be kind.", Some("Be kind."), "ann", "ANN"),
            (Some("Be kind."), vec![0])
        );
        assert_eq!(found("only marks", Some(""), " ", "marks"), (None, vec![5]));
    }

    #[test]
    fn roles_follow_overlap() {
        let spans = Spans { system: Some(0..4), names: vec![6..9, 20..21], answer: None };
        let role = |token| spans.role(token);
        assert_eq!(
            [role(0..2), role(3..5), role(4..6)],
            [TokenRole::System, TokenRole::System, TokenRole::Prompt]
        );
        assert_eq!(
            [role(5..7), role(8..12), role(9..9)],
            [TokenRole::Name, TokenRole::Name, TokenRole::Prompt]
        );
        assert_eq!(role(0..0), TokenRole::Prompt);
    }
}
