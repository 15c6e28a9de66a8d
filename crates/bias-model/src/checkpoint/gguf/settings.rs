use serde_json::Value;

use super::file::Gguf;
use crate::arch::architecture::Architecture;
use crate::arch::keys::Keys;
use crate::error::ModelError;

/// llama.cpp's names for the supported architectures, and the class that transformers loads them
/// as.
const READ: [(&str, Architecture, &str); 6] = [
    ("llama", Architecture::Llama, "LlamaForCausalLM"),
    ("qwen2", Architecture::Qwen2, "Qwen2ForCausalLM"),
    ("qwen3", Architecture::Qwen3, "Qwen3ForCausalLM"),
    ("gemma2", Architecture::Gemma2, "Gemma2ForCausalLM"),
    ("gemma3", Architecture::Gemma3, "Gemma3ForCausalLM"),
    ("phi3", Architecture::Phi3, "Phi3ForCausalLM"),
];

/// The settings of one architecture.
pub(super) struct Settings<'a> {
    pub gguf: &'a Gguf,
    pub architecture: Architecture,
    prefix: &'static str,
    pub keys: Keys,
}

impl Settings<'_> {
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<f64>, ModelError> {
        self.keys.number(&self.key(name))
    }

    pub(super) fn size(&self, name: &str) -> Result<Option<usize>, ModelError> {
        self.keys.size(&self.key(name))
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, ModelError> {
        self.keys.text(&self.key(name))
    }

    pub(super) fn required(&self, name: &str) -> Result<usize, ModelError> {
        self.keys.required(&self.key(name))
    }

    pub(super) fn refuse(&self, name: &str, value: &Value, reason: &str) -> ModelError {
        self.keys.unsupported(&self.key(name), value, reason)
    }
}

impl Gguf {
    /// The file's architecture, by llama.cpp's name for it.
    pub(super) fn architecture(&self) -> Result<Architecture, ModelError> {
        Ok(self.row()?.1)
    }

    pub(super) fn row(&self) -> Result<(&'static str, Architecture, &'static str), ModelError> {
        const KEY: &str = "general.architecture";
        let known = READ.map(|(name, ..)| name).join(", ");
        let found =
            self.text(KEY)?.ok_or_else(|| self.odd(KEY, &format!("one of {known}"), "nothing"))?;
        READ.into_iter().find(|(name, ..)| *name == found).ok_or_else(|| {
            let shown: String = found.escape_debug().take(80).collect();
            self.odd(KEY, &format!("one of {known}"), format!("`{shown}`"))
        })
    }

    pub(super) fn settings(&self) -> Result<Settings<'_>, ModelError> {
        let (prefix, architecture, _) = self.row()?;
        Ok(Settings { gguf: self, architecture, prefix, keys: self.keys(prefix)? })
    }
}
