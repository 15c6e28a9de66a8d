use serde_json::{Map, Value, json};

use super::file::Gguf;
use super::rope_scaling;
use super::settings::Settings;
use crate::arch::architecture::Architecture;
use crate::error::ModelError;

/// Keys under an architecture's name that do not affect the forward pass.
const HARMLESS: [&str; 3] = ["tensor_data_layout", "rope.scaling.finetuned", "expert_used_count"];

impl Gguf {
    /// The rows of a head, in the order of the file.
    pub(super) fn head_rows(&self) -> Result<usize, ModelError> {
        let settings = self.settings()?;
        head_dim(
            &settings,
            settings.required("embedding_length")?,
            settings.required("attention.head_count")?,
        )
    }

    /// The `config.json` of a Hugging Face folder of this model. Unread settings are refused, as in
    /// a folder.
    pub(crate) fn config(&self, accepted: &[String]) -> Result<Map<String, Value>, ModelError> {
        let (.., class) = self.row()?;
        let settings = self.settings()?;
        self.check_parts()?;
        for (name, reason) in [
            ("expert_count", "mixtures of experts are not computed"),
            ("attention.max_alibi_bias", "positions are turned, not added"),
        ] {
            if settings.number(name)?.is_some_and(|n| n != 0.0) {
                return Err(settings.refuse(name, &json!(settings.number(name)?), reason));
            }
        }
        let (d_model, heads) =
            (settings.required("embedding_length")?, settings.required("attention.head_count")?);
        let (d_head, layers) =
            (head_dim(&settings, d_model, heads)?, settings.required("block_count")?);
        let eps = "attention.layer_norm_rms_epsilon";
        let eps = settings
            .number(eps)?
            .ok_or_else(|| self.odd(&settings.key(eps), "a number", "nothing"))?;
        let positions = settings.required("context_length")?;
        let tokens = self.texts("tokenizer.ggml.tokens")?.map(<[String]>::len);
        let Some(vocab) = settings.size("vocab_size")?.or(tokens) else {
            return Err(self.odd("tokenizer.ggml.tokens", "a list of texts", "nothing"));
        };
        let mut config = Map::new();
        let mut set = |key: &str, value: Value| drop(config.insert(key.into(), value));
        set("architectures", json!([class]));
        set("model_type", settings.architecture.model_type().into());
        set("hidden_size", d_model.into());
        set("intermediate_size", settings.required("feed_forward_length")?.into());
        set("num_hidden_layers", layers.into());
        set("num_attention_heads", heads.into());
        set(
            "num_key_value_heads",
            settings.size("attention.head_count_kv")?.unwrap_or(heads).into(),
        );
        set("head_dim", d_head.into());
        set("max_position_embeddings", positions.into());
        set("rms_norm_eps", eps.into());
        set("vocab_size", vocab.into());
        set("tie_word_embeddings", (!self.has("output.weight")).into());
        set("dtype", "float32".into());
        for (key, value) in self.token_ids(vocab)? {
            set(key, value);
        }
        for (key, value) in own(&settings, d_model, heads, d_head, layers)? {
            set(key, value);
        }
        for (key, value) in rope_scaling::settings(&settings, d_head, positions)? {
            set(key, value);
        }
        HARMLESS.iter().for_each(|name| {
            settings.keys.value(&settings.key(name));
        });
        settings.keys.finish(accepted)?;
        Ok(config)
    }

    fn check_parts(&self) -> Result<(), ModelError> {
        let split = self.keys("split")?;
        match split.size("split.count")? {
            Some(parts) if parts > 1 => {
                let reason =
                    "only whole files are read; join the parts first (llama-gguf-split --merge)";
                Err(split.unsupported("split.count", &parts.into(), reason))
            }
            _ => Ok(()),
        }
    }

    /// Ids of special tokens. Several end an answer where a turn has an end token of its own.
    fn token_ids(&self, vocab: usize) -> Result<Vec<(&'static str, Value)>, ModelError> {
        let keys = self.keys("tokenizer")?;
        let id = |name: &str| {
            let key = format!("tokenizer.ggml.{name}_token_id");
            match keys.size(&key)? {
                Some(id) if id >= vocab => Err(self.odd(&key, &format!("below {vocab}"), id)),
                id => Ok(id),
            }
        };
        let mut ends: Vec<usize> = Vec::new();
        for end in [id("eos")?, id("eot")?, id("eom")?].into_iter().flatten() {
            if !ends.contains(&end) {
                ends.push(end);
            }
        }
        let eos = if ends.len() > 1 { json!(ends) } else { json!(ends.first()) };
        Ok(vec![
            ("bos_token_id", json!(id("bos")?)),
            ("eos_token_id", eos),
            ("pad_token_id", json!(id("padding")?)),
        ])
    }
}

fn head_dim(settings: &Settings<'_>, d_model: usize, heads: usize) -> Result<usize, ModelError> {
    let own = settings.size("attention.key_length")?;
    let Some(d_head) = own.or_else(|| d_model.checked_div(heads)) else {
        return Err(settings.refuse("attention.head_count", &heads.into(), "a model has heads"));
    };
    match settings.size("attention.value_length")? {
        Some(values) if values != d_head => {
            let reason = format!("heads of keys and of values must be as wide; keys' are {d_head}");
            Err(settings.refuse("attention.value_length", &values.into(), &reason))
        }
        _ => Ok(d_head),
    }
}

/// Settings that only one architecture has.
fn own(
    settings: &Settings<'_>,
    d_model: usize,
    heads: usize,
    d_head: usize,
    layers: usize,
) -> Result<Vec<(&'static str, Value)>, ModelError> {
    let bias = |tensor: &str| settings.gguf.has(&format!("blk.0.{tensor}.bias"));
    let mut config = Vec::new();
    let mut take = |key, name: &str| -> Result<(), ModelError> {
        config.extend(settings.number(name)?.map(|value| (key, json!(value))));
        Ok(())
    };
    match settings.architecture {
        Architecture::Gemma2 => {
            take("attn_logit_softcapping", "attn_logit_softcapping")?;
            take("final_logit_softcapping", "final_logit_softcapping")?;
        }
        Architecture::Gemma3 => {
            take("final_logit_softcapping", "final_logit_softcapping")?;
            take("rope_local_base_freq", "rope.freq_base_swa")?;
            let pattern = settings.size("attention.sliding_window_pattern")?;
            config.extend(pattern.map(|n| ("sliding_window_pattern", n.into())));
        }
        _ => {}
    }
    match settings.architecture {
        Architecture::Gemma2 | Architecture::Gemma3 => {
            // No file says by what queries are scaled. llama.cpp knows it of the two largest
            // models.
            let largest = [(Architecture::Gemma2, 46), (Architecture::Gemma3, 62)];
            let largest = largest.contains(&(settings.architecture, layers));
            let scalar = if largest { d_model / heads.max(1) } else { d_head };
            config.push(("query_pre_attn_scalar", scalar.into()));
            config.push(("hidden_activation", "gelu_pytorch_tanh".into()));
        }
        _ => config.push(("hidden_act", "silu".into())),
    }
    match settings.architecture {
        Architecture::Llama => {
            config.push(("attention_bias", bias("attn_q").into()));
            config.push(("mlp_bias", bias("ffn_gate").into()));
        }
        Architecture::Qwen3 => config.push(("attention_bias", bias("attn_q").into())),
        Architecture::Gemma2 | Architecture::Gemma3 | Architecture::Phi3 => {
            let window = settings.size("attention.sliding_window")?;
            config.extend(window.map(|window| ("sliding_window", window.into())));
        }
        _ => {}
    }
    Ok(config)
}
