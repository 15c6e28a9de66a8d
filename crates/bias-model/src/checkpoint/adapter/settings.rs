use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::adapter_files::CONFIG;
use crate::error::ModelError;
use crate::json::read_json;

/// How an adapter changes its base: what `adapter_config.json` says, checked.
#[derive(Debug)]
pub(super) struct Settings {
    pub path: PathBuf,
    rank: Option<usize>,
    alpha: f64,
    /// Scales are `alpha / √r`.
    root: bool,
    /// Matrices are stored as `[in, out]`.
    pub transposed: bool,
    /// Rows are scaled to a length of their own (DoRA).
    pub lengths: bool,
    /// A change of the embedding is one of a head that is tied to it.
    pub ties: bool,
    ranks: Vec<(String, f64)>,
    alphas: Vec<(String, f64)>,
}

/// Keys that do not change what the stored tensors mean: training, bookkeeping, and which modules
/// have any, as the tensors say.
const HARMLESS: &[&str] = &[
    "auto_mapping",
    "base_model_name_or_path",
    "corda_config",
    "eva_config",
    "exclude_modules",
    "inference_mode",
    "layers_pattern",
    "layers_to_transform",
    "loftq_config",
    "lora_dropout",
    "lora_ga_config",
    "megatron_config",
    "megatron_core",
    "modules_to_save",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "revision",
    "runtime_config",
    "target_modules",
    "task_type",
];

/// Ways to begin training that leave the base as it is.
const BEGINNINGS: &[&str] = &["gaussian", "eva", "orthogonal"];

impl Settings {
    pub(super) fn of_folder(folder: &Path, accepted: &[String]) -> Result<Self, ModelError> {
        let path = folder.join(CONFIG);
        let map: Map<String, Value> = read_json(&path)?;
        let advice = format!(
            "merge it with peft instead: python -c \"from peft import AutoPeftModelForCausalLM as M; \
             M.from_pretrained('{}').merge_and_unload().save_pretrained('merged')\", and name the \
             folder `merged`; to ask the model without it, pass --accept-key {CONFIG} (in Rust, \
             `LoadOptions::accepted_keys`)",
            folder.display()
        );
        Self::of(map, path, accepted, &advice)
    }

    fn of(
        map: Map<String, Value>,
        path: PathBuf,
        accepted: &[String],
        advice: &str,
    ) -> Result<Self, ModelError> {
        let value = |key: &str| map.get(key).filter(|value| !value.is_null());
        let unsupported = |key: &str, value: &Value, reason: &str| ModelError::Unsupported {
            path: path.clone(),
            key: key.into(),
            value: value.to_string(),
            reason: format!("{reason}; {advice}"),
        };
        let absent = Value::String(String::new());
        let kind = value("peft_type").unwrap_or(&absent);
        if kind != "LORA" {
            return Err(unsupported("peft_type", kind, "merged are adapters of the type LORA"));
        }
        for (key, value) in &map {
            let off = match value {
                Value::Null | Value::Bool(false) => true,
                Value::Array(items) => items.is_empty(),
                Value::Object(items) => items.is_empty(),
                _ => false,
            };
            let reason = match key.as_str() {
                _ if off || HARMLESS.contains(&key.as_str()) || accepted.contains(key) => continue,
                "r"
                | "lora_alpha"
                | "fan_in_fan_out"
                | "use_rslora"
                | "use_dora"
                | "ensure_weight_tying"
                | "rank_pattern"
                | "alpha_pattern" => continue,
                // Those that are trained are stored whole, and replace the base's.
                "bias" if ["none", "all", "lora_only"].iter().any(|own| value == own) => continue,
                "init_lora_weights" if BEGINNINGS.iter().any(|own| value == own) => continue,
                "init_lora_weights" if value == true => continue,
                "init_lora_weights" => {
                    "the base's weights were changed before training, and the adapter does not say how"
                }
                _ => {
                    "the setting may change the result, and is not computed (to ignore it, pass it \
                     to --accept-key)"
                }
            };
            return Err(unsupported(key, value, reason));
        }
        let flag = |key: &str| match value(key) {
            None => Ok(false),
            Some(Value::Bool(own)) => Ok(*own),
            Some(other) => Err(unsupported(key, other, "it is not true or false")),
        };
        let number = |key: &str, value: &Value| match value.as_f64() {
            Some(own) if own.is_finite() => Ok(own),
            _ => Err(unsupported(key, value, "it is not a number")),
        };
        let patterns = |key: &str| -> Result<Vec<(String, f64)>, ModelError> {
            let Some(value) = value(key) else { return Ok(Vec::new()) };
            let Some(all) = value.as_object() else {
                return Err(unsupported(key, value, "it is not an object"));
            };
            let plain = |name: &str| {
                let name = name.strip_prefix('^').unwrap_or(name);
                name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
            };
            if let Some(name) = all.keys().find(|name| !plain(name)) {
                let reason = format!("names of modules are read, and `{name}` is a pattern");
                return Err(unsupported(key, value, &reason));
            }
            all.iter().map(|(name, own)| Ok((name.clone(), number(key, own)?))).collect()
        };
        let rank = value("r").map(|value| match value.as_u64().map(usize::try_from) {
            Some(Ok(rank)) if rank > 0 => Ok(rank),
            _ => Err(unsupported("r", value, "it is not a rank of at least 1")),
        });
        // Where the config says nothing, peft assumes 8.
        let alpha = value("lora_alpha").map(|value| number("lora_alpha", value)).transpose()?;
        Ok(Self {
            rank: rank.transpose()?,
            alpha: alpha.unwrap_or(8.0),
            root: flag("use_rslora")?,
            transposed: flag("fan_in_fan_out")?,
            lengths: flag("use_dora")?,
            ties: flag("ensure_weight_tying")?,
            ranks: patterns("rank_pattern")?,
            alphas: patterns("alpha_pattern")?,
            path,
        })
    }

    /// The rank that a module must have, if the config says one.
    pub(super) fn rank(&self, module: &str) -> Option<f64> {
        pattern(&self.ranks, module).or(self.rank.map(|rank| rank as f64))
    }

    /// What a module's change is multiplied by, times its rank or the root of it.
    pub(super) fn alpha(&self, module: &str) -> f64 {
        pattern(&self.alphas, module).unwrap_or(self.alpha)
    }

    /// What a module's change is multiplied by.
    pub(super) fn scale(&self, module: &str, rank: usize) -> f32 {
        let by = if self.root { (rank as f64).sqrt() } else { rank as f64 };
        (self.alpha(module) / by) as f32
    }

    /// All that decides what is computed, beside alphas and tensors.
    pub(super) fn flags(&self) -> [bool; 4] {
        [self.root, self.transposed, self.lengths, self.ties]
    }
}

/// The first pattern for a module: its whole name, or the end of it.
fn pattern(all: &[(String, f64)], module: &str) -> Option<f64> {
    let fits = |own: &str| match own.strip_prefix('^') {
        Some(own) => module == own,
        None => module == own || module.strip_suffix(own).is_some_and(|rest| rest.ends_with('.')),
    };
    all.iter().find(|(own, _)| fits(own)).map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(more: Value) -> Result<Settings, ModelError> {
        let mut map = json!({"peft_type": "LORA", "r": 4, "lora_alpha": 6, "bias": "none",
            "target_modules": ["q_proj"], "init_lora_weights": true, "lora_dropout": 0.1,
            "megatron_core": "megatron.core", "use_dora": false, "eva_config": null});
        let own = map.as_object_mut().unwrap();
        own.extend(more.as_object().unwrap().clone());
        Settings::of(own.clone(), CONFIG.into(), &["odd".into()], "merge it with peft")
    }

    #[test]
    fn scales_and_ranks_may_differ_by_module() {
        let own = of(json!({"rank_pattern": {"^lm_head": 2, "down_proj": 3},
            "alpha_pattern": {"layers.1.mlp.down_proj": 12}}))
        .unwrap();
        for (module, rank, scale) in [
            ("lm_head", 2.0, 3.0),
            ("model.lm_head", 4.0, 1.5),
            ("model.layers.0.mlp.down_proj", 3.0, 2.0),
            ("model.layers.1.mlp.down_proj", 3.0, 4.0),
            ("model.layers.1.mlp.xdown_proj", 4.0, 1.5),
        ] {
            assert_eq!(own.rank(module), Some(rank), "{module}");
            assert_eq!(own.scale(module, rank as usize), scale, "{module}");
        }
        assert_eq!(of(json!({"use_rslora": true})).unwrap().scale("q_proj", 4), 3.0);
    }

    #[test]
    fn other_adapters_are_refused_by_name() {
        for (more, said) in [
            (json!({"peft_type": "IA3"}), "IA3"),
            (json!({"peft_type": null}), "`peft_type`"),
            (json!({"init_lora_weights": "pissa_niter_16"}), "pissa_niter_16"),
            (json!({"layer_replication": [[0, 4]]}), "layer_replication"),
            (json!({"target_parameters": ["mlp.experts"]}), "target_parameters"),
            (json!({"alora_invocation_tokens": [1]}), "alora_invocation_tokens"),
            (json!({"lora_bias": true}), "lora_bias"),
            (json!({"use_qalora": true}), "use_qalora"),
            (json!({"trainable_token_indices": [1]}), "trainable_token_indices"),
            (json!({"rank_pattern": {".*q_proj": 2}}), ".*q_proj"),
            (json!({"bias": "some"}), "bias"),
            (json!({"r": 0}), "`r` = 0"),
            (json!({"r": -1}), "`r` = -1"),
            (json!({"lora_alpha": "much"}), "much"),
            (json!({"use_dora": 3}), "use_dora"),
        ] {
            let error = of(more).unwrap_err().to_string();
            assert!(error.contains(said) && error.contains("merge it with peft"), "{error}");
        }
        of(json!({"odd": 1, "bias": "all", "init_lora_weights": "gaussian"})).unwrap();
    }
}
