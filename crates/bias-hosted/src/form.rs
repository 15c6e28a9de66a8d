use std::sync::Arc;

use bias_ask::question::{Choices, NumberGrammar};

/// The words of a choice, as the model would say them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Words {
    /// The option of each word, and the word as it was given.
    pub all: Vec<(usize, String)>,
    pub options: usize,
    /// Whether a space stands before each.
    pub spaced: bool,
}

impl Words {
    pub fn of(choices: &Choices, spaced: bool) -> Self {
        let options = choices.options();
        let each = options.iter().enumerate();
        let all = each.flat_map(|(i, words)| words.iter().map(move |word| (i, word.clone())));
        Self { all: all.collect(), options: options.len(), spaced }
    }

    /// A word as the model says it.
    fn said(&self, word: &str) -> String {
        format!("{}{word}", if self.spaced { " " } else { "" })
    }
}

/// What an answer may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Form {
    /// Any words.
    Free,
    /// A number, which ends with the first token that does not continue it.
    Number,
    /// One of some words.
    Choice(Arc<Words>),
}

/// What a token does to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The answer goes on behind it.
    GoesOn,
    /// The answer ended before it.
    Ended,
    /// A word is complete.
    Word(usize),
    /// It can be none of the words any more.
    Other,
}

impl Form {
    /// What an answer is with this text, of which the last token is new.
    pub fn next(&self, text: &[u8]) -> Next {
        match self {
            Self::Free => Next::GoesOn,
            Self::Number => match std::str::from_utf8(text) {
                Ok(text) if NumberGrammar::spells(text) => Next::GoesOn,
                _ => Next::Ended,
            },
            Self::Choice(words) => {
                let mut next = Next::Other;
                for (i, (_, word)) in words.all.iter().enumerate() {
                    let said = words.said(word);
                    if said.as_bytes() == text {
                        return Next::Word(i);
                    }
                    if said.as_bytes().starts_with(text) {
                        next = Next::GoesOn;
                    }
                }
                next
            }
        }
    }

    /// The most tokens that an answer needs, if it may have as many as this.
    pub fn most_tokens(&self, left: usize) -> usize {
        match self {
            Self::Free => left,
            // The tokens behind a number are not wanted, and numbers are short.
            Self::Number => left.min(8),
            Self::Choice(words) => {
                let longest = words.all.iter().map(|(_, word)| word.len() + 1).max();
                longest.unwrap_or(1).min(left).min(4)
            }
        }
    }

    /// The number at the beginning of a text, as far as it goes, and whether something ended it.
    pub fn number(text: &str) -> (&str, bool) {
        let mut end = 0;
        for (at, c) in text.char_indices() {
            let next = at + c.len_utf8();
            if !text.get(..next).is_some_and(NumberGrammar::spells) {
                return (&text[..end], true);
            }
            end = next;
        }
        (text, false)
    }
}

impl Words {
    /// The word that a text begins with, the longest of several; more letters must not follow.
    pub fn at_start(&self, text: &str) -> Option<usize> {
        let text = text.trim_start();
        let fits = |word: &str| {
            let rest = text.strip_prefix(word)?;
            (!rest.starts_with(char::is_alphanumeric)).then_some(())
        };
        let found = self.all.iter().enumerate().filter(|(_, (_, word))| fits(word).is_some());
        found.max_by_key(|(_, (_, word))| word.len()).map(|(i, _)| i)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_apart_by_text() {
        let choices = Choices::parse("yes,yes sir|no", "no").unwrap();
        let words = Words::of(&choices, false);
        assert_eq!(words.at_start(" no."), Some(2));
        assert_eq!(words.at_start("yes sir!"), Some(1));
        assert_eq!(words.at_start("nothing"), None);
        let form = Form::Choice(Arc::new(Words::of(&choices, true)));
        assert_eq!(form.next(b" "), Next::GoesOn);
        assert_eq!(form.next(b" yes"), Next::Word(0));
        assert_eq!(form.next(b"yes"), Next::Other);
        assert_eq!(form.next(b" n"), Next::GoesOn);
    }

    #[test]
    fn numbers_end_where_words_begin() {
        assert_eq!(Form::number(" $1,500 or so"), (" $1,500 ", true));
        assert_eq!(Form::number("85k"), ("85k", false));
        assert_eq!(Form::number("85 mostly"), ("85 m", true));
        assert_eq!(Form::number("about 5"), ("", true));
        assert_eq!(Form::Number.next(b"5 "), Next::GoesOn);
        assert_eq!(Form::Number.next(b"5\n"), Next::Ended);
        assert_eq!(Form::Number.next(&[0xff]), Next::Ended);
    }
}
