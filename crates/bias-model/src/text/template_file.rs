use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bias_chat::{ChatError, ChatTemplate, Message, SpecialTokens};
use bias_files::{Refused, read_file};
use serde_json::{Map, Value};

use super::date::Date;
use crate::error::ModelError;
use crate::json::read_json;
use crate::on_disk;
use crate::stand_in;

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

    /// The template that `AutoTokenizer` takes from a model folder, if it has one. Files come first:
    /// `chat_template.jinja`, and `additional_chat_templates/NAME.jinja`, of which the one named
    /// `default` counts. Otherwise it is the one in `tokenizer_config.json`.
    pub fn of_folder(folder: &Path, special: &SpecialTokens) -> Result<Option<Self>, ModelError> {
        let Some((source, path)) = source(folder)? else { return Ok(None) };
        Self::new(&path, &source, special.clone()).map(Some)
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

/// The source of a folder's template, and its file.
fn source(folder: &Path) -> Result<Option<(String, PathBuf)>, ModelError> {
    let beside = folder.join("chat_template.jinja");
    let more = folder.join("additional_chat_templates");
    let default = more.join("default.jinja");
    for path in [&default, &beside] {
        if on_disk::exists(path)? {
            let source = read(path)?;
            if source.is_empty() {
                return Err(empty(path));
            }
            return Ok(Some((source, path.clone())));
        }
    }
    let names = jinja_files(&more)?;
    if !names.is_empty() {
        return Err(no_default(&more, &names));
    }
    let path = folder.join("tokenizer_config.json");
    if !on_disk::exists(&path)? {
        return Ok(None);
    }
    let mut settings: Map<String, Value> = read_json(&path)?;
    let odd = |reason: String| ModelError::Config { path: path.clone(), reason };
    let all = match settings.remove("chat_template") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(source)) if source.is_empty() => return Err(empty(&path)),
        Some(Value::String(source)) => return Ok(Some((source, path))),
        Some(Value::Object(all)) => all.into_iter().collect::<Vec<_>>(),
        Some(Value::Array(all)) => {
            let named = |own: &Value| {
                Some((own.get("name")?.as_str()?.to_owned(), own.get("template")?.clone()))
            };
            all.iter().map(named).collect::<Option<Vec<_>>>().ok_or_else(|| {
                odd("each of its chat templates needs a `name` and a `template`".into())
            })?
        }
        Some(other) => {
            return Err(odd(format!(
                "`chat_template` is {other}; expected a text, or texts by name"
            )));
        }
    };
    let names: Vec<String> = all.iter().map(|(name, _)| name.clone()).collect();
    match all.into_iter().rev().find(|(name, _)| name == "default") {
        Some((_, Value::String(source))) if source.is_empty() => Err(empty(&path)),
        Some((_, Value::String(source))) => Ok(Some((source, path))),
        Some((_, other)) => Err(odd(format!("its chat template is {other}; expected a text"))),
        None => Err(no_default(&path, &names)),
    }
}

/// Reads a template's file.
fn read(path: &Path) -> Result<String, ModelError> {
    let failed = |source| ModelError::Read { path: path.into(), source };
    let bytes =
        read_file(path, ChatTemplate::MAX_SOURCE as u64).map_err(|error| {
            match Refused::of(&error) {
                Some(Refused::TooLarge { found, .. }) => {
                    let source = ChatError::TooLarge { found };
                    ModelError::Template { path: path.into(), source }
                }
                _ => failed(error),
            }
        })?;
    stand_in::refuse(path, &bytes)?;
    String::from_utf8(bytes)
        .map_err(|error| failed(std::io::Error::new(std::io::ErrorKind::InvalidData, error)))
}

/// The names of the templates in a folder of templates.
fn jinja_files(folder: &Path) -> Result<Vec<String>, ModelError> {
    if !on_disk::is_folder(folder)? {
        return Ok(Vec::new());
    }
    let failed = |source| ModelError::Read { path: folder.into(), source };
    let entries = fs::read_dir(folder).map_err(failed)?;
    let names =
        entries.map(|own| Ok(own.map_err(failed)?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<Result<Vec<_>, ModelError>>()?;
    names.retain(|name| name.ends_with(".jinja"));
    names.sort_unstable();
    Ok(names)
}

fn no_default(path: &Path, names: &[String]) -> ModelError {
    let reason = format!(
        "none of the chat templates {names:?} is named `default`; name one so, or ask without a \
         template (`raw`)"
    );
    ModelError::Config { path: path.into(), reason }
}

fn empty(path: &Path) -> ModelError {
    let reason = "the chat template is empty, so that the model would be asked nothing; remove it \
                  to ask without a template";
    ModelError::Config { path: path.into(), reason: reason.into() }
}
