use std::fmt;

use serde_json::Value;

use super::keys::Keys;
use super::plan::Draft;
use super::wrapper::Wrapper;
use super::{
    arcee, cohere2, exaone4, gemma, gemma2, gemma3, gpt_neox, gpt_oss, gpt2, granite, llama,
    ministral3, mistral, mistral3, mixtral, olmo2, olmo3, olmoe, opt, phi, phi3, qwen2, qwen2_moe,
    qwen3, qwen3_moe, seed_oss, smollm3, starcoder2,
};
use crate::error::ModelError;

/// The architectures that can be loaded, by their `model_type` in `config.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Architecture {
    /// Llama 1, 2, 3, 3.1, 3.2 and models with the same blocks (Touvron et al. 2023).
    Llama,
    /// Mistral: Llama with a sliding window (Jiang et al. 2023). Also in a multimodal folder
    /// (`mistral3`).
    Mistral,
    /// Qwen2, Qwen2.5: Llama with biases on q, k and v.
    Qwen2,
    /// Qwen3: Llama with normed queries and keys.
    Qwen3,
    /// Gemma 2: soft caps, norms before and after, every other layer with a window.
    Gemma2,
    /// Gemma 3: normed queries and keys, local and global layers. The text model alone, or in a
    /// multimodal folder (`gemma3`).
    Gemma3,
    /// Phi-3, Phi-4-mini: Llama with fused projections.
    Phi3,
    /// GPT-2 (Radford et al. 2019): layer norms, learned positions, no gate.
    Gpt2,
    /// GPT-NeoX, Pythia: parallel attention and MLP, partial rotary embeddings.
    GptNeoX,
    /// OLMo 2: norms after attention and MLP.
    Olmo2,
    /// Ministral 3: Mistral, with queries that grow with their position.
    Ministral3,
    /// OLMo 3: OLMo 2 with a window in three layers of four.
    Olmo3,
    /// SmolLM3: Llama, every fourth layer without rotary embedding.
    SmolLm3,
    /// Granite 3: Llama with four multipliers.
    Granite,
    /// Gemma, the first: scaled embeddings, norm gains `1 + w`, a gate with GELU.
    Gemma,
    /// Command R7B, Command A: parallel attention and MLP after one layer norm.
    Cohere2,
    /// StarCoder2: layer norms, biases, no gate.
    Starcoder2,
    /// Seed-OSS: Llama with biases on q, k and v.
    SeedOss,
    /// EXAONE 4: norms after attention and MLP, normed queries and keys.
    Exaone4,
    /// AFM: Llama without a gate, with the square of ReLU.
    Arcee,
    /// OPT (Zhang et al. 2022): layer norms, learned positions, no gate.
    Opt,
    /// Phi-1, Phi-1.5, Phi-2: parallel attention and MLP, biases everywhere.
    Phi,
    /// Mixtral: Mistral with a mixture of experts.
    Mixtral,
    /// Qwen1.5-MoE, Qwen2-57B-A14B: Qwen2 with a mixture of experts, one of them shared.
    Qwen2Moe,
    /// Qwen3-30B-A3B, Qwen3-235B-A22B: Qwen3 with a mixture of experts.
    Qwen3Moe,
    /// OLMoE: normed queries and keys, a mixture of experts.
    Olmoe,
    /// gpt-oss: biases, attention sinks, a mixture of experts with a clamped gate.
    GptOss,
}

impl Architecture {
    /// Every architecture.
    pub const ALL: [Self; 27] = [
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
        Self::Ministral3,
        Self::Olmo3,
        Self::SmolLm3,
        Self::Granite,
        Self::Gemma,
        Self::Cohere2,
        Self::Starcoder2,
        Self::SeedOss,
        Self::Exaone4,
        Self::Arcee,
        Self::Opt,
        Self::Phi,
        Self::Mixtral,
        Self::Qwen2Moe,
        Self::Qwen3Moe,
        Self::Olmoe,
        Self::GptOss,
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
            Self::Ministral3 => "ministral3",
            Self::Olmo3 => "olmo3",
            Self::SmolLm3 => "smollm3",
            Self::Granite => "granite",
            Self::Gemma => "gemma",
            Self::Cohere2 => "cohere2",
            Self::Starcoder2 => "starcoder2",
            Self::SeedOss => "seed_oss",
            Self::Exaone4 => "exaone4",
            Self::Arcee => "arcee",
            Self::Opt => "opt",
            Self::Phi => "phi",
            Self::Mixtral => "mixtral",
            Self::Qwen2Moe => "qwen2_moe",
            Self::Qwen3Moe => "qwen3_moe",
            Self::Olmoe => "olmoe",
            Self::GptOss => "gpt_oss",
        }
    }

    /// The multimodal folders whose text model is computed.
    pub(crate) const WRAPPERS: [&Wrapper; 2] = [&gemma3::WRAPPER, &mistral3::WRAPPER];

    /// The multimodal folder that a config describes, if it is one.
    pub(crate) fn wrapper(keys: &Keys) -> Result<Option<&'static Wrapper>, ModelError> {
        let found = keys.text("model_type")?;
        let own = Self::WRAPPERS.into_iter().find(|own| found == Some(own.model_type));
        for key in own.iter().flat_map(|own| own.keys) {
            keys.value(key);
        }
        Ok(own)
    }

    /// The architecture of a config, which may be the one inside a `wrapper`.
    pub(crate) fn of(keys: &Keys, wrapper: Option<&Wrapper>) -> Result<Self, ModelError> {
        let found = match wrapper {
            Some(wrapper) => wrapper.text_type(keys)?,
            None => keys.text("model_type")?.unwrap_or_default(),
        };
        Self::ALL.into_iter().find(|a| a.model_type() == found).ok_or_else(|| {
            let wrappers = Self::WRAPPERS.iter().map(|own| own.model_type);
            let known: Vec<_> =
                Self::ALL.map(Self::model_type).into_iter().chain(wrappers).collect();
            let reason = format!("loaded are {}", known.join(", "));
            keys.unsupported("model_type", &Value::from(found), &reason)
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
            Self::Ministral3 => ministral3::read(keys),
            Self::Olmo3 => olmo3::read(keys),
            Self::SmolLm3 => smollm3::read(keys),
            Self::Granite => granite::read(keys),
            Self::Gemma => gemma::read(keys),
            Self::Cohere2 => cohere2::read(keys),
            Self::Starcoder2 => starcoder2::read(keys),
            Self::SeedOss => seed_oss::read(keys),
            Self::Exaone4 => exaone4::read(keys),
            Self::Arcee => arcee::read(keys),
            Self::Opt => opt::read(keys),
            Self::Phi => phi::read(keys),
            Self::Mixtral => mixtral::read(keys),
            Self::Qwen2Moe => qwen2_moe::read(keys),
            Self::Qwen3Moe => qwen3_moe::read(keys),
            Self::Olmoe => olmoe::read(keys),
            Self::GptOss => gpt_oss::read(keys),
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.model_type())
    }
}
