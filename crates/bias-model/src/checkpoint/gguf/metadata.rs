use anamnesis::{GgufMetadataArray, GgufMetadataValue};
use serde_json::{Map, Value};

use super::file::Gguf;
use crate::arch::keys::Keys;
use crate::error::ModelError;

/// The number of characters of a text that are kept where only names are needed.
const LONGEST_TEXT: usize = 200;
/// The number of list items that are kept: enough for one per layer, not for a vocabulary.
const LONGEST_LIST: usize = 4096;

impl Gguf {
    /// The metadata under a prefix as settings, by their full keys.
    ///
    /// A list with the same value for every layer becomes that value. [`texts`](Self::texts) and
    /// its siblings return tokens and the like.
    pub(super) fn keys(&self, prefix: &str) -> Result<Keys, ModelError> {
        let mut map = Map::new();
        for (key, value) in &self.metadata {
            if !key.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.')) {
                continue;
            }
            let json = match value {
                GgufMetadataValue::Array(list) => per_layer(list),
                single => {
                    scalar(single).ok_or_else(|| self.odd(key, "a finite number", "another"))?
                }
            };
            map.insert(key.clone(), json);
        }
        Ok(Keys::new(map, self.path().into()))
    }

    /// A text of any length.
    pub(super) fn text(&self, key: &str) -> Result<Option<&str>, ModelError> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(GgufMetadataValue::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.odd(key, "a text", kind(other))),
        }
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, ModelError> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(GgufMetadataValue::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(self.odd(key, "true or false", kind(other))),
        }
    }

    pub(super) fn texts(&self, key: &str) -> Result<Option<&[String]>, ModelError> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(GgufMetadataValue::Array(list)) => match list.as_string_slice() {
                Some(texts) => Ok(Some(texts)),
                None => Err(self.odd(key, "a list of texts", "a list of something else")),
            },
            Some(other) => Err(self.odd(key, "a list of texts", kind(other))),
        }
    }

    pub(super) fn floats(&self, key: &str) -> Result<Option<&[f32]>, ModelError> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(GgufMetadataValue::Array(list)) => match list.as_f32_slice() {
                Some(values) => Ok(Some(values)),
                None => Err(self.odd(key, "a list of 32-bit floats", "a list of something else")),
            },
            Some(other) => Err(self.odd(key, "a list of 32-bit floats", kind(other))),
        }
    }

    pub(super) fn integers(&self, key: &str) -> Result<Option<Vec<i64>>, ModelError> {
        let list = match self.metadata.get(key) {
            None => return Ok(None),
            Some(GgufMetadataValue::Array(list)) => integers(list),
            Some(_) => None,
        };
        list.map(Some).ok_or_else(|| self.odd(key, "a list of integers", "something else"))
    }

    pub(super) fn odd(&self, key: &str, expected: &str, found: impl ToString) -> ModelError {
        let (path, key, expected) = (self.path().into(), key.to_owned(), expected.to_owned());
        ModelError::GgufKey { path, key, expected, found: found.to_string() }
    }
}

fn integers(list: &GgufMetadataArray) -> Option<Vec<i64>> {
    Some(match list {
        GgufMetadataArray::U8(own) => own.iter().map(|n| i64::from(*n)).collect(),
        GgufMetadataArray::I8(own) => own.iter().map(|n| i64::from(*n)).collect(),
        GgufMetadataArray::U16(own) => own.iter().map(|n| i64::from(*n)).collect(),
        GgufMetadataArray::I16(own) => own.iter().map(|n| i64::from(*n)).collect(),
        GgufMetadataArray::U32(own) => own.iter().map(|n| i64::from(*n)).collect(),
        GgufMetadataArray::I32(own) => own.iter().map(|n| i64::from(*n)).collect(),
        GgufMetadataArray::I64(own) => own.clone(),
        _ => return None,
    })
}

fn per_layer(list: &GgufMetadataArray) -> Value {
    match integers(list) {
        Some(own) if own.iter().all(|n| Some(n) == own.first()) && !own.is_empty() => own[0].into(),
        Some(own) if own.len() <= LONGEST_LIST => own.into(),
        _ => format!("a list of {}", list.len()).into(),
    }
}

/// `None` for floats that are NaN or infinite.
fn scalar(value: &GgufMetadataValue) -> Option<Value> {
    Some(match value {
        GgufMetadataValue::U8(n) => (*n).into(),
        GgufMetadataValue::I8(n) => (*n).into(),
        GgufMetadataValue::U16(n) => (*n).into(),
        GgufMetadataValue::I16(n) => (*n).into(),
        GgufMetadataValue::U32(n) => (*n).into(),
        GgufMetadataValue::I32(n) => (*n).into(),
        GgufMetadataValue::U64(n) => (*n).into(),
        GgufMetadataValue::I64(n) => (*n).into(),
        GgufMetadataValue::F32(n) => serde_json::Number::from_f64(f64::from(*n))?.into(),
        GgufMetadataValue::F64(n) => serde_json::Number::from_f64(*n)?.into(),
        GgufMetadataValue::Bool(flag) => (*flag).into(),
        GgufMetadataValue::String(text) => {
            text.chars().take(LONGEST_TEXT).collect::<String>().into()
        }
        other => kind(other).into(),
    })
}

fn kind(value: &GgufMetadataValue) -> &'static str {
    match value {
        GgufMetadataValue::Bool(_) => "true or false",
        GgufMetadataValue::String(_) => "a text",
        GgufMetadataValue::Array(_) => "a list",
        GgufMetadataValue::F32(_) | GgufMetadataValue::F64(_) => "a float",
        _ => "an integer",
    }
}
