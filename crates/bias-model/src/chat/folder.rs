use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::limits::{MAX_SOURCE, fail};
use crate::error::ModelError;
use crate::json::read_json;

/// The key of a tokenizer's or a processor's settings that holds templates.
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

/// The source of a model folder's template, and the file it is from: `chat_template.jinja`, else the one in
/// `tokenizer_config.json`, else `chat_template.json`; of several, the one named `default`.
pub(super) fn source(folder: &Path) -> Result<Option<(String, PathBuf)>, ModelError> {
    let beside = folder.join("chat_template.jinja");
    if beside.exists() {
        let read = |source| ModelError::Read { path: beside.clone(), source };
        if fs::metadata(&beside).map_err(read)?.len() > MAX_SOURCE as u64 {
            let source = Box::new(fail(format!("the file is larger than {MAX_SOURCE} bytes")));
            return Err(ModelError::Template { path: beside, source });
        }
        return Ok(Some((fs::read_to_string(&beside).map_err(read)?, beside)));
    }
    for file in ["tokenizer_config.json", "chat_template.json"] {
        let path = folder.join(file);
        let wire: Wire = if path.exists() { read_json(&path)? } else { continue };
        match wire.chat_template {
            Some(Templates::One(template)) => return Ok(Some((template, path))),
            Some(Templates::Named(all)) => {
                let names: Vec<String> = all.iter().map(|t| t.name.clone()).collect();
                return match all.into_iter().find(|t| t.name == "default") {
                    Some(default) => Ok(Some((default.template, path))),
                    None => {
                        let reason = format!("none of the chat templates {names:?} is named `default`");
                        Err(ModelError::Config { path, reason })
                    }
                };
            }
            None => {}
        }
    }
    Ok(None)
}
