use std::path::{Path, PathBuf};

use bias_core::TokenRole;
use bias_probe::Sequence;
use minijinja::{Environment, Value, context};
use serde::Deserialize;
use tokenizers::Tokenizer;

use crate::ModelError;
use crate::config::read_json;

/// A folder's tokenizer and chat template: text to tokens with roles, and back.
#[derive(Debug)]
pub struct TextCodec {
    tokenizer: Tokenizer,
    tokenizer_path: PathBuf,
    template: Option<ChatTemplate>,
}

#[derive(Debug)]
struct ChatTemplate {
    environment: Environment<'static>,
    path: PathBuf,
    bos: Option<String>,
    eos: Option<String>,
}

#[derive(Deserialize, Default)]
struct Wire {
    chat_template: Option<WireTemplate>,
    bos_token: Option<WireToken>,
    eos_token: Option<WireToken>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WireTemplate {
    One(String),
    Named(Vec<NamedTemplate>),
}

#[derive(Deserialize)]
struct NamedTemplate {
    name: String,
    template: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WireToken {
    Text(String),
    Added { content: String },
}

impl WireToken {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) | Self::Added { content: text } => text,
        }
    }
}

impl TextCodec {
    /// Reads `tokenizer.json`, and `tokenizer_config.json` or `chat_template.jinja` if there.
    ///
    /// # Errors
    /// Missing or malformed files, a chat template that does not parse.
    pub fn from_folder(folder: &Path) -> Result<Self, ModelError> {
        let tokenizer_path = folder.join("tokenizer.json");
        if !tokenizer_path.exists() {
            return Err(ModelError::Read {
                path: tokenizer_path,
                source: std::io::Error::from(std::io::ErrorKind::NotFound),
            });
        }
        let tokenizer = Tokenizer::from_file(&tokenizer_path)
            .map_err(|e| ModelError::Tokenizer { path: tokenizer_path.clone(), reason: e.to_string() })?;
        let config = folder.join("tokenizer_config.json");
        let wire: Wire = if config.exists() { read_json(&config)? } else { Wire::default() };
        let beside = folder.join("chat_template.jinja");
        let source = if beside.exists() {
            let read = |source| ModelError::Read { path: beside.clone(), source };
            Some((std::fs::read_to_string(&beside).map_err(read)?, beside.clone()))
        } else {
            let own = match wire.chat_template {
                Some(WireTemplate::One(template)) => Some(template),
                Some(WireTemplate::Named(all)) => {
                    all.into_iter().find(|t| t.name == "default").map(|t| t.template)
                }
                None => None,
            };
            own.map(|template| (template, config))
        };
        let tokens = (wire.bos_token.map(WireToken::into_text), wire.eos_token.map(WireToken::into_text));
        let template = source.map(|(source, path)| ChatTemplate::new(source, path, tokens)).transpose()?;
        Ok(Self { tokenizer, tokenizer_path, template })
    }

    /// The text the model sees for one user message: the chat template applied, or the
    /// message itself when the folder has none.
    ///
    /// # Errors
    /// [`ModelError::Template`].
    pub fn render(&self, message: &str) -> Result<String, ModelError> {
        self.template.as_ref().map_or_else(|| Ok(message.to_owned()), |t| t.render(message))
    }

    /// Tokens of a question about a person, with the name's tokens marked wherever it
    /// occurs; names of any number of tokens.
    ///
    /// # Errors
    /// [`ModelError::NameNotInPrompt`], or a text that cannot be rendered or encoded.
    pub fn prompt(&self, message: &str, name: &str) -> Result<Sequence, ModelError> {
        // A chat template writes its own special tokens.
        self.encode(&self.render(message)?, Some(name), self.template.is_none())
    }

    /// Tokens of a text as it stands, special tokens added: no chat template, no name.
    ///
    /// # Errors
    /// A text that cannot be encoded, such as an empty one.
    pub fn plain(&self, text: &str) -> Result<Sequence, ModelError> {
        self.encode(text, None, true)
    }

    /// The tokens of a text, nothing added: what an answer is made of.
    ///
    /// # Errors
    /// A text that cannot be encoded.
    pub fn verbatim(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        let encoding = self.tokenizer.encode_fast(text, false).map_err(|e| self.error(&e))?;
        Ok(encoding.get_ids().to_vec())
    }

    fn encode(&self, text: &str, name: Option<&str>, special: bool) -> Result<Sequence, ModelError> {
        let encoding = self.tokenizer.encode(text, special).map_err(|e| self.error(&e))?;
        let spans: Vec<(usize, usize)> = match name {
            Some("") | None => Vec::new(),
            Some(name) => text.match_indices(name).map(|(at, name)| (at, at + name.len())).collect(),
        };
        let roles: Vec<TokenRole> = encoding
            .get_offsets()
            .iter()
            .map(|&(start, end)| {
                let within = spans.iter().any(|&(from, to)| start < to && from < end);
                if within { TokenRole::Name } else { TokenRole::Prompt }
            })
            .collect();
        if let Some(name) = name.filter(|_| !roles.contains(&TokenRole::Name)) {
            let prompt = text.chars().take(160).collect();
            return Err(ModelError::NameNotInPrompt { name: name.into(), prompt });
        }
        Ok(Sequence::chain(encoding.get_ids().to_vec(), roles)?)
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

impl ChatTemplate {
    fn new(
        source: String,
        path: PathBuf,
        (bos, eos): (Option<String>, Option<String>),
    ) -> Result<Self, ModelError> {
        // As transformers sets its own environment up.
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |message: String| -> Result<Value, minijinja::Error> {
            Err(minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, message))
        });
        environment
            .add_template_owned("chat", source)
            .map_err(|e| ModelError::Template { path: path.clone(), source: Box::new(e) })?;
        Ok(Self { environment, path, bos, eos })
    }

    fn render(&self, message: &str) -> Result<String, ModelError> {
        let rendered = self.environment.get_template("chat").and_then(|template| {
            template.render(context! {
                messages => [context! { role => "user", content => message }],
                add_generation_prompt => true,
                bos_token => self.bos,
                eos_token => self.eos,
            })
        });
        rendered.map_err(|e| ModelError::Template { path: self.path.clone(), source: Box::new(e) })
    }
}
