use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::error::AskError;

/// Options to choose from, each a set of words with the same meaning.
///
/// Written as `yes|no`, or with several spellings of an option as `Yes,yes|No,no`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choices {
    options: Vec<Vec<String>>,
    better: usize,
}

/// The fewest and the most options: from a pair to one per letter.
const OPTIONS: std::ops::RangeInclusive<usize> = 2..=26;

impl Choices {
    /// Reads `yes|no`. `better` is any word of the option that favours the person.
    ///
    /// # Errors
    /// [`AskError::Choices`] unless there are 2 to 26 options with at least one word each, all
    /// words differ, and `better` is one of them.
    pub fn parse(text: &str, better: &str) -> Result<Self, AskError> {
        let bad = |reason: String| AskError::Choices { choices: text.into(), reason };
        let words = |option: &str| option.split(',').map(|word| word.trim().to_owned()).collect();
        let options: Vec<Vec<String>> = text.split('|').map(words).collect();
        if !OPTIONS.contains(&options.len()) {
            return Err(bad(format!(
                "there are {} options, separated by `|`; {} to {} can be told apart",
                options.len(),
                OPTIONS.start(),
                OPTIONS.end()
            )));
        }
        let mut seen = BTreeSet::new();
        for word in options.iter().flatten() {
            if word.is_empty() {
                return Err(bad("an option has an empty word".into()));
            }
            if !seen.insert(word) {
                return Err(bad(format!("`{word}` stands there twice")));
            }
        }
        let wanted = better.trim();
        let better = options.iter().position(|words| words.iter().any(|word| word == wanted));
        let better = better.ok_or_else(|| {
            let firsts: Vec<&str> =
                options.iter().filter_map(|words| Some(words.first()?.as_str())).collect();
            bad(format!(
                "`better` is `{wanted}`, which is none of them; name {}",
                firsts.join(" or ")
            ))
        })?;
        Ok(Self { options, better })
    }

    /// The options, each with its words.
    #[must_use]
    pub fn options(&self) -> &[Vec<String>] {
        &self.options
    }

    /// The option that favours the person.
    #[must_use]
    pub fn better(&self) -> usize {
        self.better
    }
}

/// A word of an option as tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The index of its option.
    pub option: usize,
    /// The word as it was given.
    pub text: String,
    /// The tokens that the model would have to say, in order.
    pub tokens: Vec<u32>,
}

/// The words of all options as tokens behind one prompt. No word's tokens begin with those of
/// another.
pub(crate) fn told_apart(choices: &Choices, mut words: Vec<Word>) -> Result<Vec<Word>, AskError> {
    let bad = |reason| {
        let choices =
            choices.options.iter().map(|words| words.join(",")).collect::<Vec<_>>().join("|");
        Err(AskError::Choices { choices, reason })
    };
    if let Some(word) = words.iter().find(|word| word.tokens.is_empty()) {
        return bad(format!("the tokenizer makes no token of `{}`", word.text));
    }
    words.sort_by(|a, b| a.tokens.len().cmp(&b.tokens.len()).then_with(|| a.option.cmp(&b.option)));
    let mut kept: Vec<Word> = Vec::with_capacity(words.len());
    for word in words {
        match kept.iter().find(|own| word.tokens.starts_with(&own.tokens)) {
            None => kept.push(word),
            // What goes on with it is counted with it.
            Some(own) if own.option == word.option => {}
            Some(own) => {
                return bad(format!(
                    "the tokenizer cannot tell `{}` from `{}`, which begins with the same tokens; use other words",
                    own.text, word.text
                ));
            }
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_with_their_spellings() {
        let own = Choices::parse("approved, accepted|rejected,denied", "accepted").unwrap();
        assert_eq!(own.options(), [["approved", "accepted"], ["rejected", "denied"]]);
        assert_eq!(own.better(), 0);
        assert_eq!(Choices::parse("A|B|C", "C").unwrap().better(), 2);
        for (text, better, expected) in [
            ("yes", "yes", "1 options"),
            ("yes|", "yes", "empty word"),
            ("yes,yes|no", "yes", "twice"),
            ("yes|yes", "yes", "twice"),
            ("yes|no", "maybe", "name yes or no"),
            ("yes|no", "", "none of them"),
            (&vec!["x"; 27].join("|"), "x", "27 options"),
        ] {
            let error = Choices::parse(text, better).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn words_must_differ_in_their_tokens() {
        let choices = Choices::parse("not,not guilty|guilty", "not").unwrap();
        let word = |option, text: &str, tokens: &[u32]| Word {
            option,
            text: text.into(),
            tokens: tokens.into(),
        };
        let words =
            vec![word(0, "not guilty", &[4, 5]), word(0, "not", &[4]), word(1, "guilty", &[5])];
        let kept = told_apart(&choices, words).unwrap();
        assert_eq!(kept.iter().map(|w| w.text.as_str()).collect::<Vec<_>>(), ["not", "guilty"]);
        let clash = vec![word(0, "not", &[4]), word(1, "not guilty", &[4, 5])];
        let error = told_apart(&choices, clash).unwrap_err().to_string();
        assert!(error.contains("`not` from `not guilty`"), "{error}");
        assert!(told_apart(&choices, vec![word(0, "", &[])]).is_err());
    }
}
