use std::fmt;

use serde_json::Value;

use super::keys::Keys;
use super::plan::Draft;
use super::{gemma2, gemma3, gpt_neox, gpt2, llama, mistral, olmo2, phi3, qwen2, qwen3};
use crate::error::ModelError;

/// The architectures that can be loaded, by their `model_type` in `config.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Architecture {
    /// Llama 1, 2, 3, 3.1, 3.2 and models with the same blocks (Touvron et al. 2023).
    Llama,
    /// Mistral 7B: Llama with a sliding window (Jiang et al. 2023).
    Mistral,
    /// Qwen2, Qwen2.5: Llama with biases on q, k and v.
    Qwen2,
    /// Qwen3: Llama with normed queries and keys.
    Qwen3,
    /// Gemma 2: soft caps, norms before and after, every other layer with a window.
    Gemma2,
    /// Gemma 3, text only: normed queries and keys, local and global layers.
    Gemma3,
    /// Phi-3, Phi-4-mini: Llama with fused projections.
    Phi3,
    /// GPT-2 (Radford et al. 2019): layer norms, learned positions, no gate.
    Gpt2,
    /// GPT-NeoX, Pythia: parallel attention and MLP, partial rotary embeddings.
    GptNeoX,
    /// OLMo 2: norms after attention and MLP.
    Olmo2,
}

impl Architecture {
    /// Every architecture.
    pub const ALL: [Self; 10] = [
        Self::Llama,
        Self::Mistral,
        Self::Qwen2,
        Self::Qwen3,
        Self::Gemma2,
        Self::Gemma3,
        Self::Phi3,
        Self::Gpt2,
        Self::GptNeoX,
        Self::Olmo2,
    ];

    /// Its `model_type`.
    #[must_use]
    pub fn model_type(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Mistral => "mistral",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Gemma2 => "gemma2",
            Self::Gemma3 => "gemma3_text",
            Self::Phi3 => "phi3",
            Self::Gpt2 => "gpt2",
            Self::GptNeoX => "gpt_neox",
            Self::Olmo2 => "olmo2",
        }
    }

    pub(crate) fn of(keys: &Keys) -> Result<Self, ModelError> {
        let found = keys.text("model_type")?.unwrap_or_default();
        Self::ALL.into_iter().find(|a| a.model_type() == found).ok_or_else(|| {
            let known = Self::ALL.map(Self::model_type).join(", ");
            keys.unsupported("model_type", &Value::from(found), &format!("loaded are {known}"))
        })
    }

    pub(crate) fn read(self, keys: &Keys) -> Result<Draft, ModelError> {
        match self {
            Self::Llama => llama::read(keys),
            Self::Mistral => mistral::read(keys),
            Self::Qwen2 => qwen2::read(keys),
            Self::Qwen3 => qwen3::read(keys),
            Self::Gemma2 => gemma2::read(keys),
            Self::Gemma3 => gemma3::read(keys),
            Self::Phi3 => phi3::read(keys),
            Self::Gpt2 => gpt2::read(keys),
            Self::GptNeoX => gpt_neox::read(keys),
            Self::Olmo2 => olmo2::read(keys),
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.model_type())
    }
}
