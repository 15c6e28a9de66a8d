use std::path::{Path, PathBuf};

use bias_core::TokenRole;
use bias_probe::Sequence;
use tokenizers::Tokenizer;

use crate::ModelError;
use crate::chat::{ChatTemplate, Message};
use crate::gguf::{self, Gguf};
use crate::spans::Spans;

/// A model's tokenizer and chat template: text to tokens with roles, and back.
#[derive(Debug)]
pub struct TextCodec {
    tokenizer: Tokenizer,
    tokenizer_path: PathBuf,
    template: Option<ChatTemplate>,
    system: Option<String>,
}

impl TextCodec {
    /// The file that the tokenizer was read from.
    #[must_use]
    pub fn tokenizer_file(&self) -> &Path {
        &self.tokenizer_path
    }

    /// Reads `tokenizer.json`, and the folder's [chat template](ChatTemplate::from_folder) if
    /// it has one; or both from a GGUF file.
    ///
    /// # Errors
    /// Missing or malformed files, a chat template that does not parse.
    pub fn from_folder(folder: &Path) -> Result<Self, ModelError> {
        if gguf::is_file(folder) {
            let gguf = Gguf::open(folder)?;
            let vocabulary = gguf.vocabulary()?;
            let (template, tokenizer) = (gguf.chat_template(&vocabulary)?, vocabulary.tokenizer);
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
        let template = ChatTemplate::from_folder(folder)?;
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
        let system = self.system.as_deref().map(Message::system);
        self.chat(&system.into_iter().chain([Message::user(message)]).collect::<Vec<_>>())
    }

    /// The text the model sees for a conversation, up to where it answers; without a chat
    /// template, the messages as paragraphs.
    ///
    /// # Errors
    /// [`ModelError::Template`].
    pub fn chat(&self, messages: &[Message]) -> Result<String, ModelError> {
        match &self.template {
            Some(template) => template.render(messages, true),
            None => Ok(messages.iter().map(|m| m.content.as_str()).collect::<Vec<_>>().join("\n\n")),
        }
    }

    /// Tokens of a question about a person, after the system message if there is one, with the
    /// name's tokens marked wherever the name stands in the question; names of any number
    /// of tokens.
    ///
    /// # Errors
    /// [`ModelError::NameNotInPrompt`], or a text that cannot be rendered or encoded.
    pub fn prompt(&self, message: &str, name: &str) -> Result<Sequence, ModelError> {
        let text = self.render(message)?;
        let spans = Spans::find(&text, self.system.as_deref(), message, Some(name));
        // A chat template writes its own special tokens.
        let prompt = self.encode(&text, &spans, self.template.is_none())?;
        if prompt.roles().contains(&TokenRole::Name) {
            return Ok(prompt);
        }
        Err(ModelError::NameNotInPrompt { name: name.into(), prompt: text.chars().take(160).collect() })
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
