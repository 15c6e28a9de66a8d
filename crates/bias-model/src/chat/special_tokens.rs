use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::error::ModelError;
use crate::json::read_json;

const NAMES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// The special tokens that a tokenizer has, which templates know by these names; others
/// are undefined in a template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpecialTokens(BTreeMap<&'static str, String>);

/// A token as tokenizer files write it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Wire {
    Text(String),
    Added { content: String },
    Other(serde::de::IgnoredAny),
}

impl SpecialTokens {
    /// The token that begins a text.
    #[must_use]
    pub fn bos(self, token: impl Into<String>) -> Self {
        self.with("bos_token", token)
    }

    /// The token that ends a text or a turn.
    #[must_use]
    pub fn eos(self, token: impl Into<String>) -> Self {
        self.with("eos_token", token)
    }

    /// Any other, by its name in tokenizer files, such as `pad_token`.
    #[must_use]
    pub fn with(mut self, name: &'static str, token: impl Into<String>) -> Self {
        self.0.insert(name, token.into());
        self
    }

    /// Those of a model folder: of `tokenizer_config.json`, and where it is silent, of
    /// `special_tokens_map.json`.
    pub(super) fn from_folder(folder: &Path) -> Result<Self, ModelError> {
        let mut all = Self::default();
        for file in ["special_tokens_map.json", "tokenizer_config.json"] {
            let path = folder.join(file);
            if !path.exists() {
                continue;
            }
            let wire: BTreeMap<String, serde_json::Value> = read_json(&path)?;
            for name in NAMES {
                let token = wire.get(name).map(Wire::deserialize).transpose();
                match token
                    .map_err(|source| ModelError::Json { path: path.clone(), source: source.into() })?
                {
                    Some(Wire::Text(token) | Wire::Added { content: token }) => all = all.with(name, token),
                    Some(Wire::Other(_)) | None => {}
                }
            }
        }
        Ok(all)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, token)| (*name, token.as_str()))
    }
}
