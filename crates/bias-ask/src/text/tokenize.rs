use std::ops::Range;

use bias_probe::Sequence;
use bias_types::TokenRole;

use super::asked::Asked;
use super::mentions::find::Mentions;
use super::spans::Spans;
use crate::error::AskError;
use crate::question::number::NumberGrammar;
use crate::question::options::{Choices, Word, told_apart};

/// A token, and its place in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its id.
    pub id: u32,
    /// Its bytes in the text; empty for a token that was added.
    pub bytes: Range<usize>,
}

/// A tokenizer, and the text that a chat template puts around a question.
///
/// Three methods are required, and the others follow from them. Override those that your tokenizer
/// can do better, or that depend on its chat template.
pub trait Tokenize {
    /// The tokens of a text. With `special`, the tokens that begin or end every text are included.
    ///
    /// # Errors
    /// A text that cannot be encoded: [`AskError::Outside`].
    fn encode(&self, text: &str, special: bool) -> Result<Vec<Token>, AskError>;

    /// The text of some tokens, without special tokens.
    ///
    /// # Errors
    /// Unknown ids: [`AskError::Outside`].
    fn decode(&self, tokens: &[u32]) -> Result<String, AskError>;

    /// The text of some tokens, with special tokens; by default the same as
    /// [`decode`](Self::decode).
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    fn written(&self, tokens: &[u32]) -> Result<String, AskError> {
        self.decode(tokens)
    }

    /// Every id of the vocabulary, in ascending order.
    fn ids(&self) -> Vec<u32>;

    /// The tokens of a text without additions, as the model would answer it.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    fn verbatim(&self, text: &str) -> Result<Vec<u32>, AskError> {
        Ok(self.encode(text, false)?.into_iter().map(|token| token.id).collect())
    }

    /// The system message before every question that is not raw.
    fn system(&self) -> Option<&str> {
        None
    }

    /// The text of a question that is not raw, up to where the model continues, as the chat
    /// template renders it with special tokens written out. `None` if there is no template: then
    /// the system message, the question and the beginning of its answer become paragraphs.
    ///
    /// # Errors
    /// A template that fails, or that does not let an answer be begun: [`AskError::Outside`].
    fn chat(&self, asked: &Asked<'_>) -> Result<Option<String>, AskError> {
        let _ = asked;
        Ok(None)
    }

    /// The identity of the tokenizer in a kept study, such as the hash of its file.
    ///
    /// # Errors
    /// A file that cannot be read: [`AskError::Outside`].
    fn identity(&self) -> Result<String, AskError> {
        Ok(String::new())
    }

    /// The date that its chat template tells the model, such as `2026-11-29`; `None` where it tells
    /// none.
    fn date(&self) -> Option<String> {
        None
    }

    /// The tokens that continue a number.
    ///
    /// # Errors
    /// [`AskError::NoDigits`] if no token is a digit; a token that cannot be decoded.
    fn number_grammar(&self) -> Result<NumberGrammar, AskError> {
        number_grammar(self)?.ok_or(AskError::NoDigits)
    }

    /// The token that a text without a context follows when its likelihood is measured: the
    /// tokenizer's own beginning of a text, or else its end, as in lm-evaluation-harness. `None` if
    /// the tokenizer names neither; then the model's configuration decides.
    ///
    /// # Errors
    /// Settings of the tokenizer that cannot be read: [`AskError::Outside`].
    fn prefix_token(&self) -> Result<Option<u32>, AskError> {
        Ok(None)
    }

    /// The tokens of a question about a person, after the system message if there is one. Every
    /// [mention](super::Mentions) of the person in the question is marked. A name may have any
    /// number of tokens.
    ///
    /// # Errors
    /// [`AskError::NameNotInPrompt`] or [`AskError::UnsureName`], or a text that cannot be rendered or encoded.
    fn prompt(&self, message: &str, name: &str) -> Result<Sequence, AskError> {
        self.question(&Asked { message, name, prefix: None, raw: false })
    }

    /// The tokens of a question whose answer may be begun for the model, or of a plain text to be
    /// continued.
    ///
    /// # Errors
    /// As [`prompt`](Self::prompt).
    fn question(&self, asked: &Asked<'_>) -> Result<Sequence, AskError> {
        marked(self, &put(self, asked)?, asked)
    }

    /// The tokens of a question, and those of every word that may be chosen behind it.
    ///
    /// # Errors
    /// As [`question`](Self::question); [`AskError::Choices`] for words whose tokens cannot be told
    /// apart.
    fn choice(
        &self,
        asked: &Asked<'_>,
        choices: &Choices,
    ) -> Result<(Sequence, Vec<Word>), AskError> {
        let rendered = put(self, asked)?;
        let prompt = marked(self, &rendered, asked)?;
        let text = &rendered.text;
        let mut words = Vec::new();
        for (option, spellings) in choices.options().iter().enumerate() {
            for word in spellings {
                // Behind a template's last mark there is no space, behind a sentence there is.
                let written = match asked.raw || asked.prefix.is_some() {
                    true => Asked::spaced(text, word),
                    false => format!("{text}{word}"),
                };
                let whole = self.encode(&written, rendered.special)?;
                let own = whole.get(prompt.len()..).filter(|_| {
                    whole.iter().zip(prompt.tokens()).all(|(whole, prompt)| whole.id == *prompt)
                });
                let tokens = match own {
                    Some(own) => own.iter().map(|token| token.id).collect(),
                    // It grows together with what is before it: then it is said in tokens of its
                    // own.
                    None => self.verbatim(written.get(text.len()..).unwrap_or(word))?,
                };
                words.push(Word { option, text: word.clone(), tokens });
            }
        }
        // A choice is made where the question ends.
        let mut roles = prompt.roles().to_vec();
        if let Some(last) = roles.last_mut().filter(|role| **role != TokenRole::Name) {
            *last = TokenRole::Answer;
        }
        Ok((Sequence::chain(prompt.tokens().to_vec(), roles)?, told_apart(choices, words)?))
    }

    /// The tokens of a text as it is, with special tokens: no chat template, no name.
    ///
    /// # Errors
    /// A text that cannot be encoded, such as an empty one.
    fn plain(&self, text: &str) -> Result<Sequence, AskError> {
        sequence(&self.encode(text, true)?, &Spans::default())
    }
}

/// The tokens of a tokenizer that continue a number; `None` if no token is a digit.
///
/// # Errors
/// A token that cannot be decoded.
pub fn number_grammar(
    tokenizer: &(impl Tokenize + ?Sized),
) -> Result<Option<NumberGrammar>, AskError> {
    // The text that each token adds behind another: some decoders take the first one's space away.
    // A text that the tokenizer has no tokens for is none to stand behind.
    let encoded = |text: &&str| tokenizer.verbatim(text).ok()?.last().copied();
    let Some(first) = ["1", "a", "."].iter().find_map(encoded) else { return Ok(None) };
    let before = tokenizer.decode(&[first])?;
    let mut texts = Vec::new();
    for id in tokenizer.ids() {
        let both = tokenizer.decode(&[first, id])?;
        if let Some(text) = both.strip_prefix(&before).filter(|text| !text.is_empty()) {
            texts.push((id, text.to_owned()));
        }
    }
    Ok(NumberGrammar::of_tokens(texts))
}

/// A question as the model gets it.
struct Rendered {
    text: String,
    /// Whether special tokens are to be added. A chat template writes its own.
    special: bool,
}

fn put(tokenizer: &(impl Tokenize + ?Sized), asked: &Asked<'_>) -> Result<Rendered, AskError> {
    if asked.raw {
        return Ok(Rendered { text: asked.raw_text(), special: true });
    }
    Ok(match tokenizer.chat(asked)? {
        Some(text) => Rendered { text, special: false },
        None => {
            let parts: Vec<&str> =
                tokenizer.system().into_iter().chain([asked.message]).chain(asked.prefix).collect();
            Rendered { text: parts.join("\n\n"), special: true }
        }
    })
}

fn marked(
    tokenizer: &(impl Tokenize + ?Sized),
    rendered: &Rendered,
    asked: &Asked<'_>,
) -> Result<Sequence, AskError> {
    let text = &rendered.text;
    let system = tokenizer.system().filter(|_| !asked.raw);
    let mut spans = Spans::find(text, system, asked.message, Some(asked.name));
    let begun = asked.prefix.map(str::trim).filter(|own| !own.is_empty());
    spans.answer = begun.and_then(|own| text.rfind(own)).map(|at| at..text.len());
    let prompt = sequence(&tokenizer.encode(text, rendered.special)?, &spans)?;
    if prompt.roles().contains(&TokenRole::Name) {
        return Ok(prompt);
    }
    Mentions::expect(text, asked.name)?;
    // It stands in the template's words only.
    let prompt = text.chars().take(160).collect();
    Err(AskError::NameNotInPrompt { name: asked.name.into(), prompt, near: String::new() })
}

fn sequence(tokens: &[Token], spans: &Spans) -> Result<Sequence, AskError> {
    let roles = tokens.iter().map(|token| spans.role(token.bytes.clone())).collect();
    Ok(Sequence::chain(tokens.iter().map(|token| token.id).collect(), roles)?)
}
