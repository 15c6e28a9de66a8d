use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use bias_ask::AskError;
use bias_ask::question::{Choices, NumberGrammar, Word};
use bias_ask::text::{Asked, Token, Tokenize, number_grammar};
use bias_chat::{Message, SpecialTokens};
use bias_files::sha256_of_file;
use bias_probe::Sequence;
use bias_types::prompt::thought;
use serde_json::Value;
use tokenizers::Tokenizer;

use super::date::Date;
use super::prefix::prefix_token;
use super::template_file::TemplateFile;
use super::tokenizer_file;
use crate::checkpoint::gguf;
use crate::checkpoint::gguf::file::Gguf;
use crate::checkpoint::other_forms::refuse_tokenizer;
use crate::error::ModelError;
use crate::on_disk;

/// A model's tokenizer and chat template: text to tokens with roles, and back.
#[derive(Debug)]
pub struct TextCodec {
    tokenizer: Tokenizer,
    tokenizer_path: PathBuf,
    template: Option<TemplateFile>,
    system: Option<String>,
    /// Special tokens by their names.
    special: SpecialTokens,
    /// Special tokens that mark a thought.
    thoughts: BTreeMap<u32, String>,
    /// The rows of the model's embedding, once they are known.
    rows: Option<usize>,
}

impl TextCodec {
    /// Reads `tokenizer.json`, and the folder's chat template if it has one. A GGUF file contains
    /// both.
    ///
    /// # Errors
    /// Missing or malformed files, a chat template that does not parse.
    pub fn from_folder(folder: &Path) -> Result<Self, ModelError> {
        if gguf::is_file(folder)? {
            let gguf = Gguf::open(folder)?;
            let vocabulary = gguf.vocabulary()?;
            let of = |source: &str| TemplateFile::new(folder, source, vocabulary.special.clone());
            let template = vocabulary.template.as_deref().map(of).transpose()?;
            let special = vocabulary.special;
            return Ok(Self::new(vocabulary.tokenizer, folder.into(), special, template));
        }
        let tokenizer_path = folder.join("tokenizer.json");
        if !on_disk::exists(&tokenizer_path)? {
            refuse_tokenizer(folder)?;
        }
        let (tokenizer, beside) = tokenizer_file::read(folder, &tokenizer_path)?;
        let special = beside.special();
        let template = TemplateFile::of_folder(folder, &special)?;
        Ok(Self::new(tokenizer, tokenizer_path, special, template))
    }

    fn new(
        tokenizer: Tokenizer,
        tokenizer_path: PathBuf,
        special: SpecialTokens,
        template: Option<TemplateFile>,
    ) -> Self {
        let added = tokenizer.get_added_vocabulary();
        let mark = |text: &str| {
            let id = tokenizer.token_to_id(text)?;
            added.is_special_token(text).then(|| (id, text.to_owned()))
        };
        let thoughts = thought::marks().filter_map(mark).collect();
        Self { tokenizer, tokenizer_path, template, system: None, special, thoughts, rows: None }
    }

    /// The same with a system message before every question: through the template, or as its own
    /// paragraph if there is no template.
    #[must_use]
    pub fn with_system(self, system: Option<String>) -> Self {
        Self { system, ..self }
    }

    /// The same with these arguments of the chat template, by name, and the date that it tells the
    /// model (today's where none is given).
    ///
    /// # Errors
    /// [`ModelError::Template`] for an argument that the template does not read;
    /// [`ModelError::NoTemplate`] for arguments without a template; [`ModelError::NoDate`] for a date
    /// that no template tells.
    pub fn told(
        self,
        arguments: &BTreeMap<String, Value>,
        date: Option<Date>,
    ) -> Result<Self, ModelError> {
        let template = match (self.template, arguments.keys().next()) {
            (Some(template), _) => Some(template.told(arguments, date)?),
            (None, None) if date.is_some() => {
                return Err(ModelError::NoDate { path: self.tokenizer_path });
            }
            (None, None) => None,
            (None, Some(name)) => {
                let (path, argument) = (self.tokenizer_path, name.clone());
                return Err(ModelError::NoTemplate { path, argument });
            }
        };
        Ok(Self { template, ..self })
    }

    /// The date that the chat template tells the model, if it tells one.
    #[must_use]
    pub fn date(&self) -> Option<Date> {
        self.template.as_ref().and_then(TemplateFile::date)
    }

    /// The text of one user message as the model gets it: rendered by the chat template, or the
    /// message itself if the folder has none.
    ///
    /// # Errors
    /// [`ModelError::Template`]; some templates refuse a system message.
    pub fn render(&self, message: &str) -> Result<String, ModelError> {
        self.chat(&self.turns(message))
    }

    /// The text of a conversation as the model gets it, up to where it answers. Without a chat
    /// template, the messages become paragraphs.
    ///
    /// # Errors
    /// [`ModelError::Template`].
    pub fn chat(&self, messages: &[Message]) -> Result<String, ModelError> {
        match &self.template {
            Some(template) => template.render(messages),
            None => {
                Ok(messages.iter().map(|m| m.content.as_str()).collect::<Vec<_>>().join("\n\n"))
            }
        }
    }

    /// The system message, if any, and a user's message.
    fn turns(&self, message: &str) -> Vec<Message> {
        self.system
            .as_deref()
            .map(Message::system)
            .into_iter()
            .chain([Message::user(message)])
            .collect()
    }

    /// The tokens of a question about a person: [`Tokenize::prompt`].
    ///
    /// # Errors
    /// [`AskError::NameNotInPrompt`], or a text that cannot be rendered or encoded.
    pub fn prompt(&self, message: &str, name: &str) -> Result<Sequence, ModelError> {
        Ok(Tokenize::prompt(self, message, name)?)
    }

    /// The tokens of a question whose answer may be begun for the model, or of a plain text to be
    /// continued: [`Tokenize::question`].
    ///
    /// # Errors
    /// As [`prompt`](Self::prompt); [`ModelError::Continuation`] for a template that does not let
    /// an answer be begun.
    pub fn question(&self, asked: &Asked<'_>) -> Result<Sequence, ModelError> {
        Ok(Tokenize::question(self, asked)?)
    }

    /// The tokens of a question, and those of every word that may be chosen behind it:
    /// [`Tokenize::choice`].
    ///
    /// # Errors
    /// As [`question`](Self::question); [`AskError::Choices`] for words whose tokens cannot be told
    /// apart.
    pub fn choice(
        &self,
        asked: &Asked<'_>,
        choices: &Choices,
    ) -> Result<(Sequence, Vec<Word>), ModelError> {
        Ok(Tokenize::choice(self, asked, choices)?)
    }

    /// The tokens that continue a number.
    ///
    /// # Errors
    /// [`ModelError::NoDigits`] for a tokenizer that has none; [`ModelError::Tokenizer`] for one
    /// with a token that cannot be decoded.
    pub fn number_grammar(&self) -> Result<NumberGrammar, ModelError> {
        let found = number_grammar(self)?;
        found.ok_or_else(|| ModelError::NoDigits { path: self.tokenizer_path.clone() })
    }

    /// The tokens of a text as it is, with special tokens: no chat template, no name.
    ///
    /// # Errors
    /// A text that cannot be encoded, such as an empty one.
    pub fn plain(&self, text: &str) -> Result<Sequence, ModelError> {
        Ok(Tokenize::plain(self, text)?)
    }

    /// The tokens of a text without additions, as the model would answer it.
    ///
    /// # Errors
    /// A text that cannot be encoded.
    pub fn verbatim(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        let encoding = self.tokenizer.encode_fast(text, false).map_err(|e| self.error(&e))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Refuses a model with fewer embeddings than the tokenizer has tokens. Added tokens may lie
    /// beyond (Gemma 3 has one for images): a prompt with one is refused when it runs.
    pub(crate) fn check_vocabulary(&mut self, vocab: usize) -> Result<(), ModelError> {
        self.rows = Some(vocab);
        let highest = self.tokenizer.get_vocab(false).into_values().max();
        let tokens = highest.map_or(0, |id| id as usize + 1);
        if tokens <= vocab {
            return Ok(());
        }
        Err(ModelError::Vocabulary { path: self.tokenizer_path.clone(), tokens, vocab })
    }

    /// The text of some tokens, without special tokens. Those that mark a
    /// [thought](bias_types::prompt::thought) are kept, because they show where the answer begins.
    ///
    /// # Errors
    /// Unknown token ids.
    pub fn decode(&self, tokens: &[u32]) -> Result<String, ModelError> {
        let decode =
            |tokens: &[u32]| self.tokenizer.decode(tokens, true).map_err(|e| self.error(&e));
        let mut text = String::new();
        let mut rest = tokens;
        while let Some(at) = rest.iter().position(|token| self.thoughts.contains_key(token)) {
            text += &decode(&rest[..at])?;
            text += rest.get(at).and_then(|token| self.thoughts.get(token)).map_or("", |t| t);
            rest = &rest[at + 1..];
        }
        Ok(text + &decode(rest)?)
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

impl Tokenize for TextCodec {
    fn encode(&self, text: &str, special: bool) -> Result<Vec<Token>, AskError> {
        let encoding = self.tokenizer.encode(text, special).map_err(|e| self.error(&e))?;
        let both = encoding.get_ids().iter().zip(encoding.get_offsets());
        Ok(both.map(|(&id, &(start, end))| Token { id, bytes: start..end }).collect())
    }

    fn decode(&self, tokens: &[u32]) -> Result<String, AskError> {
        Ok(self.decode(tokens)?)
    }

    fn written(&self, tokens: &[u32]) -> Result<String, AskError> {
        Ok(self.tokenizer.decode(tokens, false).map_err(|e| self.error(&e))?)
    }

    fn ids(&self) -> Vec<u32> {
        self.tokenizer
            .get_vocab(true)
            .into_values()
            .collect::<BTreeSet<u32>>()
            .into_iter()
            .collect()
    }

    fn verbatim(&self, text: &str) -> Result<Vec<u32>, AskError> {
        Ok(self.verbatim(text)?)
    }

    fn system(&self) -> Option<&str> {
        self.system.as_deref()
    }

    fn chat(&self, asked: &Asked<'_>) -> Result<Option<String>, AskError> {
        let Some(template) = &self.template else { return Ok(None) };
        let Some(prefix) = asked.prefix else { return Ok(Some(self.render(asked.message)?)) };
        let turns = self.turns(asked.message).into_iter().chain([Message::assistant(prefix)]);
        Ok(Some(template.continued(&turns.collect::<Vec<_>>())?))
    }

    /// The SHA-256 of its file.
    fn identity(&self) -> Result<String, AskError> {
        let path = &self.tokenizer_path;
        Ok(sha256_of_file(path)
            .map_err(|source| ModelError::Read { path: path.clone(), source })?)
    }

    fn date(&self) -> Option<String> {
        self.date().map(String::from)
    }

    fn number_grammar(&self) -> Result<NumberGrammar, AskError> {
        Ok(self.number_grammar()?)
    }

    fn prefix_token(&self) -> Result<Option<u32>, AskError> {
        let id = |token: &str| self.token_id(token);
        Ok(prefix_token(&self.tokenizer_path, &self.special, id, self.rows)?)
    }
}
