use std::ops::Range;

use bias_probe::Sequence;
use bias_types::TokenRole;

use super::asked::Asked;
use super::spans::Spans;
use crate::error::AskError;
use crate::question::number::NumberGrammar;
use crate::question::options::{Choices, Word, told_apart};

/// A token, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its id.
    pub id: u32,
    /// The bytes of the text that it stands for; empty for one that was added.
    pub bytes: Range<usize>,
}

/// A tokenizer, and the words that a chat puts around a question.
///
/// Three methods are needed. The others follow from them; those that a tokenizer can do better, or
/// that depend on its chat template, may be replaced.
pub trait Tokenize {
    /// The tokens of a text; with those that begin or end every text where `special`.
    ///
    /// # Errors
    /// A text that cannot be encoded: [`AskError::Outside`].
    fn encode(&self, text: &str, special: bool) -> Result<Vec<Token>, AskError>;

    /// The text of some tokens, special tokens left out.
    ///
    /// # Errors
    /// Ids that it does not know: [`AskError::Outside`].
    fn decode(&self, tokens: &[u32]) -> Result<String, AskError>;

    /// The text of some tokens, special tokens written out; by default as
    /// [`decode`](Self::decode) gives it.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    fn written(&self, tokens: &[u32]) -> Result<String, AskError> {
        self.decode(tokens)
    }

    /// Every id that it may give, in rising order.
    fn ids(&self) -> Vec<u32>;

    /// The tokens of a text, nothing added: what an answer is made of.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    fn verbatim(&self, text: &str) -> Result<Vec<u32>, AskError> {
        Ok(self.encode(text, false)?.into_iter().map(|token| token.id).collect())
    }

    /// The system message that is put before every question but a raw one.
    fn system(&self) -> Option<&str> {
        None
    }

    /// The text the model sees for a question that is not raw, up to where it goes on, as the chat
    /// template has it, special tokens written out. `None` where there is no template: the system
    /// message, the question and how its answer begins are then paragraphs.
    ///
    /// # Errors
    /// A template that fails, or does not let an answer be begun: [`AskError::Outside`].
    fn chat(&self, asked: &Asked<'_>) -> Result<Option<String>, AskError> {
        let _ = asked;
        Ok(None)
    }

    /// What it is recognised by in a kept study, such as the hash of its file.
    ///
    /// # Errors
    /// A file that cannot be read: [`AskError::Outside`].
    fn identity(&self) -> Result<String, AskError> {
        Ok(String::new())
    }

    /// Which of its tokens go on spelling a number.
    ///
    /// # Errors
    /// [`AskError::NoDigits`] where none is a digit, or one of its tokens that cannot be decoded.
    fn number_grammar(&self) -> Result<NumberGrammar, AskError> {
        number_grammar(self)?.ok_or(AskError::NoDigits)
    }

    /// Tokens of a question about a person, after the system message if there is one, with the
    /// name's tokens marked wherever the name stands in the question; names of any number of
    /// tokens.
    ///
    /// # Errors
    /// [`AskError::NameNotInPrompt`], or a text that cannot be rendered or encoded.
    fn prompt(&self, message: &str, name: &str) -> Result<Sequence, AskError> {
        self.question(&Asked { message, name, prefix: None, raw: false })
    }

    /// The same of a question whose answer may be begun for the model, or that is plain text to be
    /// gone on with.
    ///
    /// # Errors
    /// As [`prompt`](Self::prompt).
    fn question(&self, asked: &Asked<'_>) -> Result<Sequence, AskError> {
        marked(self, &put(self, asked)?, asked)
    }

    /// The tokens of a question, and those of every word that may be chosen behind it.
    ///
    /// # Errors
    /// As [`question`](Self::question); [`AskError::Choices`] for words that the tokenizer cannot
    /// tell apart.
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
                    true => spaced(text, word),
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

    /// Tokens of a text as it stands, special tokens added: no chat template, no name.
    ///
    /// # Errors
    /// A text that cannot be encoded, such as an empty one.
    fn plain(&self, text: &str) -> Result<Sequence, AskError> {
        sequence(&self.encode(text, true)?, &Spans::default())
    }
}

/// Which tokens of a tokenizer go on spelling a number; `None` where none is a digit.
///
/// # Errors
/// One of its tokens that cannot be decoded.
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

/// A question as the model sees it.
struct Rendered {
    text: String,
    /// Whether special tokens are to be added: a chat template writes its own.
    special: bool,
}

fn put(tokenizer: &(impl Tokenize + ?Sized), asked: &Asked<'_>) -> Result<Rendered, AskError> {
    if asked.raw {
        // What words follow brings its own space: that is how tokenizers have learnt them.
        let text = asked.message.trim_end();
        let text = asked.prefix.map_or_else(|| text.into(), |own| spaced(text, own.trim_end()));
        return Ok(Rendered { text, special: true });
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

/// Two texts with a space between them where words need one: behind a letter, a digit or a mark
/// that ends something.
fn spaced(before: &str, after: &str) -> String {
    let ends = |c: char| c.is_alphanumeric() || ".,;:!?)]}'\"’”".contains(c);
    let gap = before.ends_with(ends) && !after.starts_with(char::is_whitespace);
    format!("{before}{}{after}", if gap { " " } else { "" })
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
    let prompt = text.chars().take(160).collect();
    Err(AskError::NameNotInPrompt { name: asked.name.into(), prompt })
}

fn sequence(tokens: &[Token], spans: &Spans) -> Result<Sequence, AskError> {
    let roles = tokens.iter().map(|token| spans.role(token.bytes.clone())).collect();
    Ok(Sequence::chain(tokens.iter().map(|token| token.id).collect(), roles)?)
}
