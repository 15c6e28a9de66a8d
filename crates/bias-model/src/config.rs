use std::path::{Path, PathBuf};

use bias_core::ModelDims;
use serde::Deserialize;
use serde_json::Value;

use crate::ModelError;

/// A Llama's settings, checked: what is in `config.json`, less what does not matter here.
#[derive(Debug, Clone, PartialEq)]
pub struct LlamaConfig {
    /// Sizes.
    pub dims: ModelDims,
    /// Base of the rotary embedding's frequencies.
    pub rope_theta: f64,
    /// Added to the mean square in every RMS norm.
    pub rms_norm_eps: f64,
    /// Positions the model was trained for.
    pub max_positions: usize,
    /// Whether the embedding also serves as the output head.
    pub tied: bool,
    /// Tokens that end an answer, from `config.json`.
    pub eos: Vec<u32>,
    /// Token that begins a text, if any.
    pub bos: Option<u32>,
}

/// No published model has wider heads; rotary tables grow with their square.
const MAX_HEAD: usize = 4096;

/// `config.json` as it stands. Keys that change the computation are all named
/// here, so that a value that is not supported is an error and never ignored.
#[derive(Debug, Deserialize)]
struct Wire {
    model_type: String,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    vocab_size: usize,
    max_position_embeddings: Option<usize>,
    rms_norm_eps: Option<f64>,
    rope_theta: Option<f64>,
    rope_scaling: Option<Value>,
    rope_parameters: Option<Value>,
    hidden_act: Option<String>,
    attention_bias: Option<bool>,
    mlp_bias: Option<bool>,
    tie_word_embeddings: Option<bool>,
    quantization_config: Option<Value>,
    sliding_window: Option<Value>,
    #[serde(default)]
    eos_token_id: TokenIds,
    #[serde(default)]
    bos_token_id: TokenIds,
}

/// A token id, several, or none: all three are found in the wild.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(untagged)]
pub(crate) enum TokenIds {
    One(u32),
    Many(Vec<u32>),
    #[default]
    None,
}

impl TokenIds {
    pub(crate) fn into_vec(self) -> Vec<u32> {
        match self {
            Self::One(id) => vec![id],
            Self::Many(ids) => ids,
            Self::None => Vec::new(),
        }
    }
}

pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, ModelError> {
    let bytes = std::fs::read(path).map_err(|source| ModelError::Read { path: path.into(), source })?;
    serde_json::from_slice(&bytes).map_err(|source| ModelError::Json { path: path.into(), source })
}

impl LlamaConfig {
    /// Reads and checks `config.json` of a model folder.
    ///
    /// # Errors
    /// A missing or malformed file, an architecture other than Llama, a setting
    /// that changes the result and is not computed here, impossible sizes.
    pub fn from_folder(folder: &Path) -> Result<Self, ModelError> {
        let path = folder.join("config.json");
        Self::check(read_json(&path)?, path)
    }

    fn check(wire: Wire, path: PathBuf) -> Result<Self, ModelError> {
        let refuse = |key: &str, value: String, reason: &str| {
            Err(ModelError::Unsupported { path: path.clone(), key: key.into(), value, reason: reason.into() })
        };
        let impossible =
            |reason: String| -> Result<Self, _> { Err(ModelError::Config { path: path.clone(), reason }) };
        if wire.model_type != "llama" {
            return refuse("model_type", wire.model_type, "this version loads `llama`");
        }
        if let Some(act) = wire.hidden_act.filter(|a| a != "silu") {
            return refuse("hidden_act", act, "Llama uses `silu`");
        }
        for (key, on) in [("attention_bias", wire.attention_bias), ("mlp_bias", wire.mlp_bias)] {
            if on == Some(true) {
                return refuse(key, "true".into(), "only linear maps without bias are computed");
            }
        }
        for (key, set) in
            [("quantization_config", wire.quantization_config), ("sliding_window", wire.sliding_window)]
        {
            if let Some(value) = set.filter(|v| !v.is_null()) {
                return refuse(key, value.to_string(), "remove it or use the unquantized checkpoint");
            }
        }
        let mut theta = wire.rope_theta;
        for (key, set) in [("rope_scaling", wire.rope_scaling), ("rope_parameters", wire.rope_parameters)] {
            let Some(value) = set.filter(|v| !v.is_null()) else { continue };
            let kind = value.get("rope_type").or_else(|| value.get("type")).and_then(Value::as_str);
            if kind.is_some_and(|k| k != "default") {
                return refuse(
                    key,
                    value.to_string(),
                    "only plain rotary embeddings (`default`) are computed",
                );
            }
            let partial = value.get("partial_rotary_factor").and_then(Value::as_f64);
            if partial.is_some_and(|f| f != 1.0) {
                return refuse(key, value.to_string(), "partial rotary embeddings are not computed");
            }
            theta = theta.or_else(|| value.get("rope_theta").and_then(Value::as_f64));
        }

        let heads = wire.num_attention_heads;
        let Some(d_head) = wire.head_dim.or_else(|| wire.hidden_size.checked_div(heads)) else {
            return impossible("num_attention_heads is 0".into());
        };
        let dims = ModelDims {
            layers: wire.num_hidden_layers,
            d_model: wire.hidden_size,
            heads,
            kv_heads: wire.num_key_value_heads.unwrap_or(heads),
            d_head,
            d_mlp: wire.intermediate_size,
            vocab: wire.vocab_size,
        };
        if let Err(e) = dims.validate() {
            return impossible(e.to_string());
        }
        if !d_head.is_multiple_of(2) {
            return impossible(format!("head_dim {d_head} is odd; rotary embeddings need pairs"));
        }
        if d_head > MAX_HEAD {
            return impossible(format!("head_dim {d_head} is beyond {MAX_HEAD}"));
        }
        // Sizes are checked against the weights' own before anything is allocated; this
        // only keeps their products within what the machine can count.
        let limit = 1usize << 31;
        if [dims.layers, dims.d_model, dims.heads, dims.d_head, dims.d_mlp, dims.vocab]
            .iter()
            .any(|s| *s > limit)
            || dims.heads.saturating_mul(dims.d_head) > limit
        {
            return impossible(format!("a size is beyond {limit}: {dims:?}"));
        }
        let theta = theta.unwrap_or(10_000.0);
        let eps = wire.rms_norm_eps.unwrap_or(1e-6);
        if !(theta.is_finite() && theta > 0.0 && eps.is_finite() && eps >= 0.0) {
            return impossible(format!("rope_theta {theta} or rms_norm_eps {eps} is not a positive number"));
        }
        Ok(Self {
            dims,
            rope_theta: theta,
            rms_norm_eps: eps,
            max_positions: wire.max_position_embeddings.unwrap_or(2048),
            tied: wire.tie_word_embeddings.unwrap_or(false),
            eos: wire.eos_token_id.into_vec(),
            bos: wire.bos_token_id.into_vec().first().copied(),
        })
    }

    /// The `config.json` that describes this model.
    #[must_use]
    pub fn to_json(&self) -> Value {
        serde_json::json!({
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_size": self.dims.d_model,
            "intermediate_size": self.dims.d_mlp,
            "num_hidden_layers": self.dims.layers,
            "num_attention_heads": self.dims.heads,
            "num_key_value_heads": self.dims.kv_heads,
            "head_dim": self.dims.d_head,
            "vocab_size": self.dims.vocab,
            "max_position_embeddings": self.max_positions,
            "rms_norm_eps": self.rms_norm_eps,
            "rope_theta": self.rope_theta,
            "rope_scaling": null,
            "hidden_act": "silu",
            "attention_bias": false,
            "attention_dropout": 0.0,
            "mlp_bias": false,
            "tie_word_embeddings": self.tied,
            "bos_token_id": self.bos,
            "eos_token_id": self.eos,
            "torch_dtype": "float32",
            "use_cache": true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Value {
        serde_json::json!({
            "model_type": "llama", "hidden_size": 16, "intermediate_size": 40, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 64, "eos_token_id": [1, 2],
        })
    }

    fn check(change: &[(&str, Value)]) -> Result<LlamaConfig, ModelError> {
        let mut json = base();
        for (key, value) in change {
            json[*key] = value.clone();
        }
        LlamaConfig::check(serde_json::from_value(json).unwrap(), "config.json".into())
    }

    #[test]
    fn what_would_change_the_result_is_refused() {
        assert_eq!(check(&[]).unwrap().eos, [1, 2]);
        for (key, value) in [
            ("model_type", "mistral".into()),
            ("hidden_act", "gelu".into()),
            ("attention_bias", true.into()),
            ("rope_scaling", serde_json::json!({"rope_type": "llama3", "factor": 8.0})),
            ("rope_parameters", serde_json::json!({"rope_type": "yarn"})),
            ("quantization_config", serde_json::json!({"bits": 4})),
        ] {
            let err = check(&[(key, value)]).unwrap_err();
            assert!(matches!(&err, ModelError::Unsupported { key: k, .. } if k == key), "{err}");
        }
    }

    #[test]
    fn impossible_sizes_are_refused() {
        for (key, value) in [
            ("num_attention_heads", 0usize),
            ("num_key_value_heads", 3),
            ("head_dim", 5),
            ("vocab_size", 0),
            ("intermediate_size", usize::MAX / 2),
        ] {
            let err = check(&[(key, value.into())]).unwrap_err();
            assert!(matches!(err, ModelError::Config { .. }), "{key}: {err}");
        }
    }

    #[test]
    fn written_configs_read_back() {
        let config = check(&[("rope_theta", 5e5.into()), ("tie_word_embeddings", true.into())]).unwrap();
        let wire = serde_json::from_value(config.to_json()).unwrap();
        assert_eq!(LlamaConfig::check(wire, "config.json".into()).unwrap(), config);
    }
}
