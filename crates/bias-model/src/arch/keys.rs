use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::known_keys::{CHANGING, is_harmless, multiplies, says_nothing};
use crate::error::ModelError;

/// A `config.json`, read key by key. What nobody read and is not known to be harmless
/// is refused by [`finish`](Self::finish): a setting is never silently ignored.
#[derive(Debug)]
pub(crate) struct Keys {
    map: Map<String, Value>,
    path: PathBuf,
    /// The key of the object that this one is the value of, if it is nested.
    within: Option<&'static str>,
    read: RefCell<BTreeSet<String>>,
}

impl Keys {
    pub(crate) fn new(map: Map<String, Value>, path: PathBuf) -> Self {
        Self { map, path, within: None, read: RefCell::default() }
    }

    /// The object under a key, itself read key by key.
    pub(crate) fn nested(&self, key: &'static str) -> Result<Self, ModelError> {
        let Some(value) = self.value(key) else {
            return Err(self.impossible(format!("`{key}` is missing")));
        };
        let Some(map) = value.as_object() else {
            let kind = kind_of(value);
            return Err(self.impossible(format!("`{key}` is {kind}, not an object of settings")));
        };
        let (map, path) = (map.clone(), self.path.clone());
        Ok(Self { map, path, within: Some(key), read: RefCell::default() })
    }

    /// Whether the object is part of a larger config. Those hold only what differs from a default.
    pub(crate) fn is_nested(&self) -> bool {
        self.within.is_some()
    }

    /// The key as error messages name it: `text_config.hidden_size`.
    fn full(&self, key: &str) -> String {
        self.within.map_or_else(|| key.to_owned(), |within| format!("{within}.{key}"))
    }

    /// The value of a key. A missing key and `null` are the same.
    pub(crate) fn value(&self, key: &str) -> Option<&Value> {
        self.read.borrow_mut().insert(key.to_owned());
        self.map.get(key).filter(|v| !v.is_null())
    }

    /// Whether a key is present, even with `null`.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.map.contains_key(key)
    }

    fn typed<'a, T>(
        &'a self,
        key: &str,
        must: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ModelError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        read(value)
            .map(Some)
            .ok_or_else(|| self.refuse(format!("`{}` is {value}, not {must}", self.full(key))))
    }

    pub(crate) fn size(&self, key: &str) -> Result<Option<usize>, ModelError> {
        // Some exporters write whole numbers as 4096.0.
        let whole = |v: &Value| {
            let float = || {
                v.as_f64().filter(|f| f.fract() == 0.0 && (0.0..9e15).contains(f)).map(|f| f as u64)
            };
            v.as_u64().or_else(float).and_then(|n| usize::try_from(n).ok())
        };
        self.typed(key, "a whole number of at least 0", whole)
    }

    pub(crate) fn required(&self, key: &str) -> Result<usize, ModelError> {
        self.size(key)?.ok_or_else(|| self.refuse(format!("`{}` is missing", self.full(key))))
    }

    pub(crate) fn number(&self, key: &str) -> Result<Option<f64>, ModelError> {
        self.typed(key, "a number", Value::as_f64)
    }

    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>, ModelError> {
        self.typed(key, "true or false", Value::as_bool)
    }

    pub(crate) fn text(&self, key: &str) -> Result<Option<&str>, ModelError> {
        self.typed(key, "a text", Value::as_str)
    }

    /// Refuses any value of `key` except `supported`. The key may be missing.
    pub(crate) fn only(&self, key: &str, supported: Value, reason: &str) -> Result<(), ModelError> {
        match self.value(key) {
            Some(value) if *value != supported => Err(self.unsupported(key, value, reason)),
            _ => Ok(()),
        }
    }

    pub(crate) fn unsupported(&self, key: &str, value: &Value, reason: &str) -> ModelError {
        let (path, key) = (self.path.clone(), self.full(key));
        ModelError::Unsupported { path, key, value: value.to_string(), reason: reason.into() }
    }

    pub(crate) fn impossible(&self, reason: String) -> ModelError {
        self.refuse(match self.within {
            Some(within) => format!("in `{within}`: {reason}"),
            None => reason,
        })
    }

    fn refuse(&self, reason: String) -> ModelError {
        ModelError::Config { path: self.path.clone(), reason }
    }

    /// A size that has two names. Where both stand, they must agree: transformers takes whichever
    /// stands last.
    pub(crate) fn either(&self, key: &str, other: &str) -> Result<Option<usize>, ModelError> {
        match (self.size(key)?, self.size(other)?) {
            (Some(own), Some(found)) if own != found => {
                let reason = format!("it is another name of `{key}`, which is {own}; keep one");
                Err(self.unsupported(other, &found.into(), &reason))
            }
            (own, found) => Ok(own.or(found)),
        }
    }

    /// Refuses keys that nobody read, unless they are harmless, empty, `accepted`, or switch
    /// something off: what is unknown here is off anyway. `false` and 0 switch off, but for a 0 that
    /// something would be multiplied by.
    pub(crate) fn finish(&self, accepted: &[String]) -> Result<(), ModelError> {
        let read = self.read.borrow();
        for (key, value) in &self.map {
            let off = match value {
                Value::Null | Value::Bool(false) => true,
                own if says_nothing(key, own) => true,
                Value::Number(number) => number.as_f64() == Some(0.0) && !multiplies(key),
                Value::Array(items) => items.is_empty(),
                Value::Object(items) => items.is_empty(),
                Value::Bool(true) | Value::String(_) => false,
            };
            let full = self.full(key);
            let accepted = accepted.contains(key) || accepted.contains(&full);
            let known = read.contains(key) || is_harmless(key) || accepted;
            if !known && !off {
                let changing = CHANGING.iter().find(|(own, _)| own == key);
                let reason = changing.map_or_else(
                    || {
                        format!(
                            "the key is unknown for this architecture, so it may change the \
                             result; if you know that it does not, pass --accept-key {full} \
                             (in Rust, `LoadOptions::accepted_keys`)"
                        )
                    },
                    |(_, reason)| (*reason).to_owned(),
                );
                return Err(self.unsupported(key, value, &reason));
            }
        }
        Ok(())
    }
}

/// What a value is, for messages that would be too long with the value itself.
fn kind_of(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::arch::architecture::Architecture;
    use crate::arch::known_keys::{GENERATION, HARMLESS};
    use crate::arch::wrapper;

    fn keys(map: Value) -> Keys {
        let Value::Object(map) = map else { panic!("not an object") };
        Keys::new(map, PathBuf::from("config.json"))
    }

    #[derive(Deserialize)]
    struct Listed {
        base: BTreeSet<String>,
        #[serde(default)]
        generation: BTreeSet<String>,
        architectures: BTreeMap<String, BTreeSet<String>>,
    }

    /// Every key that transformers' own classes have is read, known to be harmless, or known to
    /// change something. Only in the repository: a published crate carries no fixtures.
    #[test]
    fn every_key_of_transformers_is_known() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
        if !fixtures.exists() {
            return;
        }
        let read = |path: &Path| std::fs::read(path).unwrap();
        let mut by_type: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for folder in std::fs::read_dir(fixtures.join("golden")).unwrap() {
            let path = folder.unwrap().path().join("config.json");
            if !path.exists() {
                continue;
            }
            let keys = keys(serde_json::from_slice(&read(&path)).unwrap());
            let wrapper = Architecture::wrapper(&keys).unwrap();
            let nested = wrapper.map(|_| keys.nested(wrapper::TEXT).unwrap());
            let text = nested.as_ref().unwrap_or(&keys);
            let architecture = Architecture::of(text, wrapper).unwrap();
            let mut draft = architecture.read(text).unwrap();
            let mut note = |model_type: &str, keys: &Keys| {
                let own = by_type.entry(model_type.to_owned()).or_default();
                own.extend(keys.read.borrow().iter().cloned());
            };
            note(architecture.model_type(), text);
            if let Some(wrapper) = wrapper {
                wrapper.apply(&keys, &mut draft).unwrap();
                note(wrapper.model_type, &keys);
            }
        }
        assert_eq!(by_type.len(), Architecture::ALL.len() + Architecture::WRAPPERS.len());
        let mut checked = 0;
        for file in ["keys.json", "keys4.json"] {
            let listed: Listed =
                serde_json::from_slice(&read(&fixtures.join("config").join(file))).unwrap();
            for (model_type, own) in &listed.architectures {
                for key in own.iter().chain(&listed.base).chain(&listed.generation) {
                    let changing = CHANGING.iter().any(|(own, _)| own == key);
                    let known = by_type[model_type].contains(key) || is_harmless(key) || changing;
                    assert!(known, "{file}: {model_type}: {key}");
                    checked += 1;
                }
            }
            let missing: Vec<_> = listed
                .generation
                .iter()
                .filter(|key| !GENERATION.contains(&key.as_str()))
                .collect();
            assert!(missing.is_empty(), "{file}: {missing:?}");
        }
        assert!(checked > 1000, "{checked}");
    }

    #[test]
    fn no_key_is_both_harmless_and_changing() {
        for (key, reason) in CHANGING {
            assert!(!is_harmless(key) && !reason.is_empty(), "{key}");
        }
        for list in [HARMLESS, GENERATION] {
            let set: BTreeSet<&str> = list.iter().copied().collect();
            assert_eq!(set.len(), list.len());
        }
    }

    /// What converters and old versions write beside what counts.
    #[test]
    fn what_cannot_change_the_result_is_passed_over() {
        for (key, value) in [
            ("unk_token_id", json!(3)),
            ("is_llama_config", json!(true)),
            (
                "transformers.js_config",
                json!({"dtype": "q4", "kv_cache_dtype": {"q4f16": "float16"}}),
            ),
            ("n_special", json!(0)),
            ("predict_special_tokens", json!(true)),
            ("output_past", json!(true)),
            ("full_attn_mod", json!(1)),
            ("interpolate_factor", json!(1)),
            ("num_labels", json!(5)),
            ("bos_token", json!("<s>")),
            ("_attn_implementation_autoset", json!(true)),
            ("attn_implementation", json!("flash_attention_2")),
            ("unsloth_fixed", json!(true)),
            ("use_unsloth", json!(true)),
            ("neuron", json!({"auto_cast": "matmul"})),
            ("min_p", json!(0.1)),
            ("stop_strings", json!(["x"])),
            // Dropout under any name.
            ("dropout", json!(0.1)),
            ("attn_dropout_prob", json!(0.1)),
            ("embedding_dropout", json!(0.1)),
            ("ffn_pdrop", json!(0.1)),
            ("drop_path_rate", json!(0.2)),
            ("decoder_layerdrop", json!(0.2)),
            ("resid_drop", json!(0.2)),
            // Whatever it is, it is off.
            ("attention_colour", json!(0)),
            ("attention_colour", json!(0.0)),
            ("attention_colour", json!(-0.0)),
            ("attention_colour", json!(false)),
            ("attention_colour", json!(null)),
            ("attention_colour", json!([])),
            ("attention_colour", json!({})),
            ("num_experts", json!(0)),
            ("pruned_heads", json!({})),
        ] {
            keys(json!({key: value})).finish(&[]).unwrap();
        }
    }

    #[test]
    fn what_may_change_the_result_is_refused_with_the_way_out() {
        for (key, value, said) in [
            ("attention_colour", json!("red"), "--accept-key attention_colour"),
            ("attention_colour", json!(1e-9), "`LoadOptions::accepted_keys`"),
            ("embedding_multiplier", json!(0), "--accept-key embedding_multiplier"),
            ("logits_scaling", json!(0.0), "--accept-key logits_scaling"),
            ("quantization_config", json!({"bits": 4}), "unquantized checkpoint"),
            ("num_local_experts", json!(8), "mixtures of experts"),
            ("is_encoder_decoder", json!(true), "without an encoder"),
            ("pruned_heads", json!({"0": [1]}), "all heads"),
            ("rope_interleaved", json!(true), "neighbours"),
        ] {
            let own = keys(json!({key: value}));
            let error = own.finish(&[]).unwrap_err().to_string();
            for said in ["config.json", key, said, &value.to_string()] {
                assert!(error.contains(said), "{error}");
            }
            own.finish(&[key.to_owned()]).unwrap();
        }
    }

    #[test]
    fn two_names_of_one_size_must_agree() {
        let both = |a: Value, b: Value| {
            keys(json!({"n_embd": a, "hidden_size": b})).either("n_embd", "hidden_size")
        };
        assert_eq!(both(json!(8), json!(8)).unwrap(), Some(8));
        assert_eq!(both(json!(null), json!(8)).unwrap(), Some(8));
        assert_eq!(both(json!(8), json!(null)).unwrap(), Some(8));
        let error = both(json!(8), json!(9)).unwrap_err().to_string();
        assert!(
            error.contains("`hidden_size` = 9") && error.contains("`n_embd`, which is 8"),
            "{error}"
        );
    }
}
