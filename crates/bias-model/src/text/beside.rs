use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use bias_chat::SpecialTokens;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokenizers::{AddedToken, Tokenizer};

use super::class::{Class, Named, refused};
use crate::error::ModelError;
use crate::json::read_json;
use crate::on_disk;

/// The special tokens that every tokenizer of transformers may name, in its order.
pub(super) const SPECIAL: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

const SETTINGS: &str = "tokenizer_config.json";
const OLD: &str = "special_tokens_map.json";
const ADDED: &str = "added_tokens.json";

/// What stands beside a folder's `tokenizer.json`, as transformers 5.23 reads it: the tokenizer's
/// class, the tokens that are added to the file's, and the special tokens by name.
///
/// `special_tokens_map.json` and `added_tokens.json` count where `tokenizer_config.json` lists no
/// `added_tokens_decoder`. A token that no file names is the default of the class. `null` in a file
/// means that there is none.
#[derive(Debug)]
pub(super) struct Beside {
    pub class: Class,
    pub settings: Map<String, Value>,
    path: PathBuf,
    /// Tokens to be added, by the order of the ids that the files give them.
    added: BTreeMap<u64, AddedToken>,
    /// By name, in the order in which they are added.
    named: Vec<(String, AddedToken)>,
    /// Further special tokens, without names.
    extra: Vec<AddedToken>,
}

/// A token as an object. Transformers passes its keys to a constructor that knows no others.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    normalized: Option<bool>,
    special: Option<bool>,
    #[serde(rename = "__type")]
    _kind: Option<Value>,
    /// Of `tokenizer.json`.
    #[serde(rename = "id")]
    _id: Option<Value>,
}

/// A special token as a text or an object; `None` for `null`.
fn token(value: &Value, special: bool) -> Result<Option<AddedToken>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(AddedToken::from(text.as_str(), true))),
        Value::Object(_) => {
            let own = Wire::deserialize(value).map_err(|e| e.to_string())?;
            let special = special || own.special.unwrap_or(false);
            Ok(Some(AddedToken {
                content: own.content,
                single_word: own.single_word,
                lstrip: own.lstrip,
                rstrip: own.rstrip,
                normalized: own.normalized.unwrap_or(!special),
                special,
            }))
        }
        other => Err(format!("{other}; expected a text, an object with `content`, or null")),
    }
}

impl Beside {
    /// Reads the files beside `file`, which is the content of `tokenizer.json`. `byte_level`:
    /// whether its text mentions GPT-2's bytes.
    pub fn read(folder: &Path, file: &Value, byte_level: bool) -> Result<Self, ModelError> {
        let optional = |name: &str| -> Result<Map<String, Value>, ModelError> {
            let path = folder.join(name);
            if on_disk::exists(&path)? { read_json(&path) } else { Ok(Map::new()) }
        };
        let mut settings = optional(SETTINGS)?;
        let config = optional("config.json")?;
        let text = |from: &Map<String, Value>, key: &str| {
            from.get(key).and_then(Value::as_str).map(str::to_owned)
        };
        let model_type = text(&config, "model_type").unwrap_or_default();
        let named_class = text(&settings, "tokenizer_class");
        let class = Class::of(&Named {
            model_type: &model_type,
            settings: named_class.as_deref(),
            config: text(&config, "tokenizer_class").as_deref(),
            remote: settings.get("auto_map").is_some_and(|own| match own {
                Value::Object(all) => all.get("AutoTokenizer").is_some_and(|own| !own.is_null()),
                own => !own.is_null(),
            }),
            byte_level,
        })
        .map_err(|name| refused(folder, name))?;
        let mut merged = Merged::new(class, &settings);
        let decoder = settings.get("added_tokens_decoder").cloned();
        let mut path = folder.join(SETTINGS);
        let added = match decoder {
            Some(decoder) => decoder_tokens(&decoder),
            None => {
                path = folder.join(OLD);
                let old = optional(OLD)?;
                let older = optional(ADDED)?;
                merged.over(&old).and_then(|()| merged.older(&older, file))
            }
        };
        let odd = |reason: String| ModelError::Config { path: path.clone(), reason };
        let added = added.map_err(odd)?;
        let odd = |reason: String| ModelError::Config { path: folder.join(SETTINGS), reason };
        let stored = file.get("padding").and_then(|own| own.get("pad_token"));
        let (named, extra) = merged.finish(&added, stored).map_err(odd)?;
        settings.retain(|key, _| key != "chat_template");
        Ok(Self { class, settings, path: folder.join(SETTINGS), added, named, extra })
    }

    /// The special token of this name.
    pub fn token(&self, name: &str) -> Option<&str> {
        self.named.iter().find(|(own, _)| own == name).map(|(_, token)| token.content.as_str())
    }

    /// The special tokens that a chat template knows, by name.
    pub fn special(&self) -> SpecialTokens {
        self.named.iter().fold(SpecialTokens::default(), |all, (name, token)| {
            all.with(name.clone(), token.content.as_str())
        })
    }

    /// A setting that is true or false.
    pub fn flag(&self, key: &str) -> Result<bool, ModelError> {
        match self.settings.get(key) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(own)) => Ok(*own),
            Some(other) => Err(ModelError::Config {
                path: self.path.clone(),
                reason: format!("`{key}` is {other}; expected true or false"),
            }),
        }
    }

    /// Adds the tokens that the files name to those of the tokenizer, in transformers' order: by
    /// id, then special tokens by name, then the others. A token that the vocabulary lacks gets the
    /// next free id, whatever id the file gives it.
    pub fn add_to(&self, tokenizer: &mut Tokenizer) -> Result<(), tokenizers::Error> {
        let mut tokens: Vec<AddedToken> = self.added.values().cloned().collect();
        let have = tokenizer.get_added_tokens_decoder();
        let have: HashSet<String> =
            have.values().chain(&tokens).map(|own| own.content.clone()).collect();
        for token in self.named.iter().map(|(_, token)| token).chain(&self.extra) {
            if !have.contains(&token.content) && !tokens.contains(token) {
                tokens.push(token.clone());
            }
        }
        let names: HashSet<&str> = self.named.iter().map(|(_, own)| own.content.as_str()).collect();
        for token in &mut tokens {
            token.special |= names.contains(token.content.as_str());
        }
        tokenizer.add_tokens(tokens)?;
        let all = self.named.iter().map(|(_, token)| token).chain(&self.extra);
        match self.class {
            Class::Qwen2 => {
                let all = all.map(|own| AddedToken::from(own.content.as_str(), true));
                tokenizer.add_tokens(all.collect::<Vec<_>>())?;
            }
            Class::Cohere => {
                let all = all.map(|own| own.clone().special(true));
                tokenizer.add_special_tokens(all.collect::<Vec<_>>())?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// The tokens of `added_tokens_decoder`.
fn decoder_tokens(decoder: &Value) -> Result<BTreeMap<u64, AddedToken>, String> {
    let odd = |key: &str, reason: &str| format!("`added_tokens_decoder`, {key}: {reason}");
    let all = decoder.as_object().ok_or_else(|| odd("its value", "expected an object"))?;
    let tokens = all.iter().map(|(id, own)| {
        let number = id.parse().map_err(|_| odd(id, "expected the id of a token"))?;
        match token(own, false) {
            Ok(Some(token)) if own.is_object() => Ok((number, token)),
            Ok(_) => Err(odd(id, "expected an object with `content`")),
            Err(reason) => Err(odd(id, &reason)),
        }
    });
    tokens.collect()
}

/// Special tokens by name, and those without one.
type Special = (Vec<(String, AddedToken)>, Vec<AddedToken>);

/// The arguments that transformers gathers for a tokenizer's constructor.
struct Merged {
    class: Class,
    /// Special tokens by name; `null` where a file says so.
    values: Map<String, Value>,
    /// Names that the class does not know, of `tokenizer_config.json`.
    others: Map<String, Value>,
    /// `extra_special_tokens`, formerly `additional_special_tokens`.
    extra: Option<Vec<Value>>,
    /// `additional_special_tokens` of the older file.
    additional: Option<Vec<Value>>,
    stored_padding: bool,
}

impl Merged {
    fn new(class: Class, settings: &Map<String, Value>) -> Self {
        let mut own = Self {
            class,
            values: Map::new(),
            others: Map::new(),
            extra: None,
            additional: None,
            stored_padding: !settings.contains_key("pad_token"),
        };
        for (key, value) in settings {
            if SPECIAL.contains(&key.as_str()) || (key.ends_with("_token") && value.is_null()) {
                own.values.insert(key.clone(), value.clone());
            } else if key.ends_with("_token") && (value.is_string() || is_token(value)) {
                own.others.insert(key.clone(), value.clone());
            }
        }
        let said = |key: &str| settings.get(key).filter(|value| truthy(value));
        match said("extra_special_tokens").or_else(|| said("additional_special_tokens")) {
            Some(Value::Object(all)) => own.others.extend(all.clone()),
            Some(Value::Array(all)) => own.extra = Some(all.clone()),
            _ => {}
        }
        own
    }

    /// Puts `special_tokens_map.json` over it.
    fn over(&mut self, old: &Map<String, Value>) -> Result<(), String> {
        for (key, value) in old {
            match (key.as_str(), value) {
                ("extra_special_tokens", Value::Array(all)) => {
                    let mut extra = self.extra.take().unwrap_or_default();
                    extra.extend(
                        all.iter().filter(|own| !extra.contains(own)).cloned().collect::<Vec<_>>(),
                    );
                    self.extra = Some(extra);
                }
                ("extra_special_tokens", Value::Object(all)) => self.others.extend(all.clone()),
                ("additional_special_tokens", Value::Array(all)) => {
                    self.additional = Some(all.clone());
                }
                (key, value) if SPECIAL.contains(&key) || key.ends_with("_token") => {
                    let mut value = value.clone();
                    // A token of this file is special, and not normalized unless it says so.
                    if let Some(all) = value.as_object_mut() {
                        all.insert("special".into(), Value::Bool(true));
                    }
                    self.values.insert(key.into(), value);
                    self.stored_padding &= key != "pad_token";
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The tokens of `added_tokens.json`, and over them those of `tokenizer.json`.
    fn older(
        &self,
        older: &Map<String, Value>,
        file: &Value,
    ) -> Result<BTreeMap<u64, AddedToken>, String> {
        let special = self.values.iter().filter(|(key, _)| SPECIAL.contains(&key.as_str()));
        let special = special.map(|(_, value)| value).chain(self.extra.iter().flatten());
        let special: HashSet<&str> = special.filter_map(content).collect();
        let mut tokens = BTreeMap::new();
        for (text, id) in older {
            let id = id.as_u64().ok_or_else(|| {
                format!("{ADDED} beside it gives `{text}` the id {id}; expected a whole number")
            })?;
            tokens.insert(id, AddedToken::from(text.as_str(), special.contains(text.as_str())));
        }
        for own in file.get("added_tokens").and_then(Value::as_array).into_iter().flatten() {
            let id = own.get("id").and_then(Value::as_u64);
            if let (Some(id), Ok(Some(token))) = (id, token(own, false)) {
                tokens.insert(id, token);
            }
        }
        Ok(tokens)
    }

    /// The special tokens by name, and the others.
    fn finish(
        mut self,
        added: &BTreeMap<u64, AddedToken>,
        stored: Option<&Value>,
    ) -> Result<Special, String> {
        if self.stored_padding && self.class.takes_stored_padding() {
            stored
                .into_iter()
                .for_each(|own| drop(self.values.insert("pad_token".into(), own.clone())));
        }
        for (name, text) in self.class.defaults().iter().chain(self.class.own_names()) {
            self.values.entry(*name).or_insert_with(|| (*text).into());
        }
        if !self.class.own_names().is_empty() {
            let own = self.class.own_names().iter().filter_map(|(name, _)| self.values.get(*name));
            let own = own.filter(|value| !value.is_null()).cloned();
            self.additional =
                Some(self.additional.take().unwrap_or_default().into_iter().chain(own).collect());
        }
        let odd = |name: &str, reason: String| format!("the {name} is {reason}");
        let mut named: Vec<(String, AddedToken)> = Vec::new();
        for name in SPECIAL {
            let Some(value) = self.values.get(name) else { continue };
            if let Some(token) = token(value, false).map_err(|e| odd(name, e))? {
                let same = added.values().rfind(|own| own.content == token.content);
                named.push((name.into(), same.cloned().unwrap_or(token)));
            }
        }
        // The class's own arguments come before those of the files.
        let own = self.class.own_names();
        let (first, then): (Vec<_>, Vec<_>) = self
            .values
            .iter()
            .filter(|(key, _)| !SPECIAL.contains(&key.as_str()))
            .partition(|(key, _)| own.iter().any(|(name, _)| name == key));
        let auto = first.into_iter().chain(then);
        for (name, value) in auto.chain(&self.others) {
            let Some(token) = token(value, false).map_err(|e| odd(name, e))? else { continue };
            match named.iter_mut().find(|(own, _)| own == name) {
                Some(own) => own.1 = token,
                None => named.push((name.clone(), token)),
            }
        }
        let extra = self.extra.or(self.additional).unwrap_or_default();
        let extra = extra.iter().map(|own| match token(own, false) {
            Ok(Some(token)) => Ok(token),
            Ok(None) => Err(odd("list of special tokens", "null in one place".into())),
            Err(reason) => Err(odd("list of special tokens", reason)),
        });
        Ok((named, extra.collect::<Result<_, _>>()?))
    }
}

fn is_token(value: &Value) -> bool {
    value.get("__type").and_then(Value::as_str) == Some("AddedToken")
}

/// What Python's `if` takes for true.
fn truthy(value: &Value) -> bool {
    match value {
        Value::Array(all) => !all.is_empty(),
        Value::Object(all) => !all.is_empty(),
        Value::String(own) => !own.is_empty(),
        Value::Bool(own) => *own,
        own => !own.is_null(),
    }
}

fn content(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("content").and_then(Value::as_str))
}
