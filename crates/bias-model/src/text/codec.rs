use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bias_chat::Message;
use bias_probe::Sequence;
use bias_types::TokenRole;
use tokenizers::Tokenizer;

use super::spans::Spans;
use super::template_file::TemplateFile;
use crate::checkpoint::gguf;
use crate::checkpoint::gguf::file::Gguf;
use crate::error::ModelError;
use crate::question::number::NumberGrammar;
use crate::question::options::{Choices, Word, told_apart};

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

/// Two texts with a space between them where words need one: behind a letter, a digit or a mark that ends something.
fn spaced(before: &str, after: &str) -> String {
    let ends = |c: char| c.is_alphanumeric() || ".,;:!?)]}'\"’”".contains(c);
    let gap = before.ends_with(ends) && !after.starts_with(char::is_whitespace);
    format!("{before}{}{after}", if gap { " " } else { "" })
}

/// A model's tokenizer and chat template: text to tokens with roles, and back.
#[derive(Debug)]
pub struct TextCodec {
    tokenizer: Tokenizer,
    tokenizer_path: PathBuf,
    template: Option<TemplateFile>,
    system: Option<String>,
}

impl TextCodec {
    /// The file that the tokenizer was read from.
    #[must_use]
    pub fn tokenizer_file(&self) -> &Path {
        &self.tokenizer_path
    }

    /// Reads `tokenizer.json`, and the folder's chat template if it
    /// has one; or both from a GGUF file.
    ///
    /// # Errors
    /// Missing or malformed files, a chat template that does not parse.
    pub fn from_folder(folder: &Path) -> Result<Self, ModelError> {
        if gguf::is_file(folder) {
            let gguf = Gguf::open(folder)?;
            let vocabulary = gguf.vocabulary()?;
            let of = |source: &str| TemplateFile::new(folder, source, vocabulary.special.clone());
            let template = vocabulary.template.as_deref().map(of).transpose()?;
            let tokenizer = vocabulary.tokenizer;
            return Ok(Self { tokenizer, tokenizer_path: folder.into(), template, system: None });
        }
        let tokenizer_path = folder.join("tokenizer.json");
        if !tokenizer_path.exists() {
            return Err(ModelError::Read {
                path: tokenizer_path,
                source: std::io::Error::from(std::io::ErrorKind::NotFound),
            });
        }
        let tokenizer = Tokenizer::from_file(&tokenizer_path)
            .map_err(|e| ModelError::Tokenizer { path: tokenizer_path.clone(), reason: e.to_string() })?;
        let template = TemplateFile::of_folder(folder)?;
        Ok(Self { tokenizer, tokenizer_path, template, system: None })
    }

    /// The same, with a system message before every question: in the template's words, or
    /// as a paragraph of its own where there is no template.
    #[must_use]
    pub fn with_system(self, system: Option<String>) -> Self {
        Self { system, ..self }
    }

    /// The text the model sees for one user message: the chat template applied, or the
    /// message itself when the folder has none.
    ///
    /// # Errors
    /// [`ModelError::Template`]; some templates refuse a system message.
    pub fn render(&self, message: &str) -> Result<String, ModelError> {
        self.chat(&self.turns(message))
    }

    /// The text the model sees for a conversation, up to where it answers; without a chat
    /// template, the messages as paragraphs.
    ///
    /// # Errors
    /// [`ModelError::Template`].
    pub fn chat(&self, messages: &[Message]) -> Result<String, ModelError> {
        match &self.template {
            Some(template) => template.render(messages),
            None => Ok(messages.iter().map(|m| m.content.as_str()).collect::<Vec<_>>().join("\n\n")),
        }
    }

    /// The system message, if there is one, and a user's.
    fn turns(&self, message: &str) -> Vec<Message> {
        self.system.as_deref().map(Message::system).into_iter().chain([Message::user(message)]).collect()
    }

    /// The text the model sees for a question, up to where it goes on.
    fn put(&self, asked: &Asked<'_>) -> Result<String, ModelError> {
        if asked.raw {
            // What words follow brings its own space: that is how tokenizers have learnt them.
            let text = asked.message.trim_end();
            return Ok(asked.prefix.map_or_else(|| text.into(), |own| spaced(text, own.trim_end())));
        }
        let Some(prefix) = asked.prefix else { return self.render(asked.message) };
        let turns = self.turns(asked.message).into_iter().chain([Message::assistant(prefix)]);
        let turns: Vec<Message> = turns.collect();
        match &self.template {
            Some(template) => template.continued(&turns),
            None => self.chat(&turns),
        }
    }

    /// Tokens of a question about a person, after the system message if there is one, with the
    /// name's tokens marked wherever the name stands in the question; names of any number
    /// of tokens.
    ///
    /// # Errors
    /// [`ModelError::NameNotInPrompt`], or a text that cannot be rendered or encoded.
    pub fn prompt(&self, message: &str, name: &str) -> Result<Sequence, ModelError> {
        self.question(&Asked { message, name, prefix: None, raw: false })
    }

    /// The same of a question whose answer may be begun for the model, or that is plain text to be gone on with.
    ///
    /// # Errors
    /// As [`prompt`](Self::prompt); [`ModelError::Continuation`] for a template that does not let an answer be begun.
    pub fn question(&self, asked: &Asked<'_>) -> Result<Sequence, ModelError> {
        self.marked(&self.put(asked)?, asked)
    }

    /// The tokens of a question, and those of every word that may be chosen behind it.
    ///
    /// # Errors
    /// As [`question`](Self::question); [`ModelError::Choices`] for words that the tokenizer cannot tell apart.
    pub fn choice(&self, asked: &Asked<'_>, choices: &Choices) -> Result<(Sequence, Vec<Word>), ModelError> {
        let text = self.put(asked)?;
        let prompt = self.marked(&text, asked)?;
        let mut words = Vec::new();
        for (option, spellings) in choices.options().iter().enumerate() {
            for word in spellings {
                // Behind a template's last mark there is no space, behind a sentence there is.
                let written = match asked.raw || asked.prefix.is_some() {
                    true => spaced(&text, word),
                    false => format!("{text}{word}"),
                };
                let whole = self.encode(&written, &Spans::default(), self.adds_special(asked))?;
                let tokens = match whole.tokens().strip_prefix(prompt.tokens()) {
                    Some(own) => own.to_vec(),
                    // It grows together with what is before it: then it is said in tokens of its own.
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

    /// A chat template writes its own special tokens.
    fn adds_special(&self, asked: &Asked<'_>) -> bool {
        asked.raw || self.template.is_none()
    }

    fn marked(&self, text: &str, asked: &Asked<'_>) -> Result<Sequence, ModelError> {
        let system = self.system.as_deref().filter(|_| !asked.raw);
        let mut spans = Spans::find(text, system, asked.message, Some(asked.name));
        let begun = asked.prefix.map(str::trim).filter(|own| !own.is_empty());
        spans.answer = begun.and_then(|own| text.rfind(own)).map(|at| at..text.len());
        let prompt = self.encode(text, &spans, self.adds_special(asked))?;
        if prompt.roles().contains(&TokenRole::Name) {
            return Ok(prompt);
        }
        let prompt = text.chars().take(160).collect();
        Err(ModelError::NameNotInPrompt { name: asked.name.into(), prompt })
    }

    /// Which of its tokens go on spelling a number.
    ///
    /// # Errors
    /// [`ModelError::NoDigits`] for a tokenizer that has none; [`ModelError::Tokenizer`] for one with a
    /// token that cannot be decoded.
    pub fn number_grammar(&self) -> Result<NumberGrammar, ModelError> {
        let grammar = NumberGrammar::of_tokens(self.token_texts()?);
        grammar.ok_or_else(|| ModelError::NoDigits { path: self.tokenizer_path.clone() })
    }

    /// The text that each token adds behind others, special tokens left out.
    fn token_texts(&self) -> Result<Vec<(u32, String)>, ModelError> {
        // Behind another token: some decoders take the first one's space away. A text that the
        // tokenizer has no tokens for is none to stand behind.
        let encoded = |text: &&str| self.verbatim(text).ok()?.last().copied();
        let Some(first) = ["1", "a", "."].iter().find_map(encoded) else { return Ok(Vec::new()) };
        let before = self.decode(&[first])?;
        let ids = self.tokenizer.get_vocab(true).into_values().collect::<BTreeSet<u32>>();
        let mut texts = Vec::new();
        for id in ids {
            let both = self.decode(&[first, id])?;
            if let Some(text) = both.strip_prefix(&before).filter(|text| !text.is_empty()) {
                texts.push((id, text.to_owned()));
            }
        }
        Ok(texts)
    }

    /// Tokens of a text as it stands, special tokens added: no chat template, no name.
    ///
    /// # Errors
    /// A text that cannot be encoded, such as an empty one.
    pub fn plain(&self, text: &str) -> Result<Sequence, ModelError> {
        self.encode(text, &Spans::default(), true)
    }

    /// The tokens of a text, nothing added: what an answer is made of.
    ///
    /// # Errors
    /// A text that cannot be encoded.
    pub fn verbatim(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        let encoding = self.tokenizer.encode_fast(text, false).map_err(|e| self.error(&e))?;
        Ok(encoding.get_ids().to_vec())
    }

    fn encode(&self, text: &str, spans: &Spans, special: bool) -> Result<Sequence, ModelError> {
        let encoding = self.tokenizer.encode(text, special).map_err(|e| self.error(&e))?;
        let roles = encoding.get_offsets().iter().map(|&(start, end)| spans.role(start..end));
        Ok(Sequence::chain(encoding.get_ids().to_vec(), roles.collect())?)
    }

    /// Refuses a model with fewer embeddings than the tokenizer has tokens. Added tokens
    /// may lie beyond (Gemma 3 has one for images): a prompt that holds one is refused
    /// when it is run.
    pub(crate) fn check_vocabulary(&self, vocab: usize) -> Result<(), ModelError> {
        let highest = self.tokenizer.get_vocab(false).into_values().max();
        let tokens = highest.map_or(0, |id| id as usize + 1);
        if tokens <= vocab {
            return Ok(());
        }
        Err(ModelError::Vocabulary { path: self.tokenizer_path.clone(), tokens, vocab })
    }

    /// The text of some tokens, special tokens left out.
    ///
    /// # Errors
    /// Token ids the tokenizer does not know.
    pub fn decode(&self, tokens: &[u32]) -> Result<String, ModelError> {
        self.tokenizer.decode(tokens, true).map_err(|e| self.error(&e))
    }

    /// The id of a token by its exact text.
    #[must_use]
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.tokenizer.token_to_id(token)
    }

    fn error(&self, error: &tokenizers::Error) -> ModelError {
        ModelError::Tokenizer { path: self.tokenizer_path.clone(), reason: error.to_string() }
    }
}
