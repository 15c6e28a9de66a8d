use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bias_chat::{ChatError, ChatTemplate, Message, SpecialTokens};
use serde::Deserialize;
use serde_json::Value;

use super::date::Date;
use crate::error::ModelError;
use crate::json::read_json;
use crate::on_disk;

/// A chat template and its file, which errors name.
#[derive(Debug)]
pub(super) struct TemplateFile {
    template: ChatTemplate,
    path: PathBuf,
    date: Option<Date>,
}

impl TemplateFile {
    pub fn new(path: &Path, source: &str, tokens: SpecialTokens) -> Result<Self, ModelError> {
        match ChatTemplate::new(source, tokens) {
            Ok(template) => Ok(Self { template, path: path.into(), date: None }),
            Err(source) => Err(ModelError::Template { path: path.into(), source }),
        }
    }

    /// The template of a model folder, if it has one: `chat_template.jinja`, or else the one in
    /// `tokenizer_config.json`, or else in `chat_template.json`. Of several templates, the one
    /// named `default` is used. Its special tokens come from `tokenizer_config.json` and
    /// `special_tokens_map.json`.
    pub fn of_folder(folder: &Path) -> Result<Option<Self>, ModelError> {
        let Some((source, path)) = source(folder)? else { return Ok(None) };
        Self::new(&path, &source, special_tokens(folder)?).map(Some)
    }

    /// The same with these arguments and this date; today's, in UTC, where none is given. The date
    /// is fixed here, so that a run that goes on past midnight asks everybody alike.
    pub fn told(
        self,
        arguments: &BTreeMap<String, Value>,
        date: Option<Date>,
    ) -> Result<Self, ModelError> {
        let Self { mut template, path, .. } = self;
        let named = |source| ModelError::Template { path: path.clone(), source };
        for (name, value) in arguments {
            template = template.with_argument(name, value).map_err(named)?;
        }
        let tells = template.tells_the_date();
        if date.is_some() && !tells {
            return Err(ModelError::NoDate { path: path.clone() });
        }
        let date = tells.then(|| date.unwrap_or_else(Date::today));
        if let Some(date) = date {
            template = template.on(date.year, date.month, date.day).map_err(named)?;
        }
        Ok(Self { template, path, date })
    }

    /// The date that the template tells the model, if it tells one.
    pub fn date(&self) -> Option<Date> {
        self.date
    }

    /// The text of a conversation, up to where the model's answer begins.
    pub fn render(&self, messages: &[Message]) -> Result<String, ModelError> {
        self.template.render(messages, true).map_err(|error| self.named(error))
    }

    /// The text of a conversation up to the end of its last message.
    pub fn continued(&self, messages: &[Message]) -> Result<String, ModelError> {
        self.template.continued(messages).map_err(|error| self.named(error))
    }

    fn named(&self, error: ChatError) -> ModelError {
        let path = self.path.clone();
        match error {
            ChatError::Continuation => ModelError::Continuation { path },
            source => ModelError::Template { path, source },
        }
    }
}

/// The special tokens that templates know.
const SPECIAL: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// A token in the forms of tokenizer files.
#[derive(Deserialize)]
#[serde(untagged)]
enum Token {
    Text(String),
    Added { content: String },
    Other(serde::de::IgnoredAny),
}

/// The special tokens of `tokenizer_config.json`, and of `special_tokens_map.json` over it where the
/// first lists no `added_tokens_decoder`, as in transformers 5.
fn special_tokens(folder: &Path) -> Result<SpecialTokens, ModelError> {
    let mut all = SpecialTokens::default();
    let mut decoder = false;
    for file in ["tokenizer_config.json", "special_tokens_map.json"] {
        let path = folder.join(file);
        if decoder || !on_disk::exists(&path)? {
            continue;
        }
        let settings: BTreeMap<String, Value> = read_json(&path)?;
        decoder = settings.contains_key("added_tokens_decoder");
        for name in SPECIAL {
            let token = settings.get(name).map(Token::deserialize).transpose();
            match token
                .map_err(|source| ModelError::Json { path: path.clone(), source: source.into() })?
            {
                Some(Token::Text(token) | Token::Added { content: token }) => {
                    all = all.with(name, token);
                }
                Some(Token::Other(_)) | None => {}
            }
        }
    }
    Ok(all)
}

/// The key with the templates in a tokenizer's or a processor's settings.
#[derive(Deserialize)]
struct Wire {
    chat_template: Option<Templates>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Templates {
    One(String),
    Named(Vec<Named>),
}

#[derive(Deserialize)]
struct Named {
    name: String,
    template: String,
}

/// The source of a folder's template, and its file.
fn source(folder: &Path) -> Result<Option<(String, PathBuf)>, ModelError> {
    let beside = folder.join("chat_template.jinja");
    if on_disk::exists(&beside)? {
        let read = |source| ModelError::Read { path: beside.clone(), source };
        let found = fs::metadata(&beside).map_err(read)?.len();
        if found > ChatTemplate::MAX_SOURCE as u64 {
            let source = ChatError::TooLarge { found };
            return Err(ModelError::Template { path: beside, source });
        }
        return Ok(Some((fs::read_to_string(&beside).map_err(read)?, beside)));
    }
    for file in ["tokenizer_config.json", "chat_template.json"] {
        let path = folder.join(file);
        let wire: Wire = if on_disk::exists(&path)? { read_json(&path)? } else { continue };
        match wire.chat_template {
            Some(Templates::One(template)) => return Ok(Some((template, path))),
            Some(Templates::Named(all)) => {
                let names: Vec<String> = all.iter().map(|t| t.name.clone()).collect();
                return match all.into_iter().find(|t| t.name == "default") {
                    Some(default) => Ok(Some((default.template, path))),
                    None => {
                        let reason =
                            format!("none of the chat templates {names:?} is named `default`");
                        Err(ModelError::Config { path, reason })
                    }
                };
            }
            None => {}
        }
    }
    Ok(None)
}
