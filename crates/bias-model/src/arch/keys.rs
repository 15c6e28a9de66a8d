use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::error::ModelError;

/// Keys of a `config.json` that do not affect the forward pass: training, bookkeeping, and
/// generation settings in old checkpoints.
const HARMLESS: &[&str] = &[
    "_name_or_path",
    "architectures",
    "attention_dropout",
    "attention_probs_dropout_prob",
    "attn_pdrop",
    "auto_map",
    "bad_words_ids",
    "begin_suppress_tokens",
    "bos_token_id",
    "cache_implementation",
    "chunk_size_feed_forward",
    "classifier_dropout",
    "cls_token_id",
    "decoder_start_token_id",
    "diversity_penalty",
    "do_sample",
    "dtype",
    "early_stopping",
    "embd_pdrop",
    "encoder_no_repeat_ngram_size",
    "eom_token_id",
    "eos_token_id",
    "eot_token_id",
    "exponential_decay_length_penalty",
    "finetuning_task",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "gradient_checkpointing",
    "hidden_dropout",
    "id2label",
    "initializer_range",
    "is_decoder",
    "label2id",
    "length_penalty",
    "mask_token_id",
    "max_length",
    "max_sequence_length",
    "min_length",
    "model_max_length",
    "model_type",
    "n_ctx",
    "name_or_path",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "output_attentions",
    "output_hidden_states",
    "output_scores",
    "pad_token_id",
    "prefix",
    // Splits products to save memory, to the same result.
    "pretraining_tp",
    "problem_type",
    "remove_invalid_values",
    "reorder_and_upcast_attn",
    "repetition_penalty",
    "resid_pdrop",
    "return_dict",
    "return_dict_in_generate",
    "sep_token_id",
    "summary_activation",
    "summary_first_dropout",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
    "suppress_tokens",
    "task_specific_params",
    "temperature",
    "tf_legacy_loss",
    "tokenizer_class",
    "top_k",
    "top_p",
    "torch_dtype",
    "torchscript",
    "transformers_version",
    "typical_p",
    "unk_token_id",
    "unsloth_fixed",
    "unsloth_version",
    "use_bfloat16",
    "use_cache",
];

/// A `config.json`, read key by key. [`finish`](Self::finish) refuses keys that were neither read
/// nor are known to be harmless, so no setting is silently ignored.
#[derive(Debug)]
pub(crate) struct Keys {
    map: Map<String, Value>,
    path: PathBuf,
    read: RefCell<BTreeSet<String>>,
}

impl Keys {
    pub(crate) fn new(map: Map<String, Value>, path: PathBuf) -> Self {
        Self { map, path, read: RefCell::default() }
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
            .ok_or_else(|| self.impossible(format!("`{key}` is {value}, not {must}")))
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
        self.size(key)?.ok_or_else(|| self.impossible(format!("`{key}` is missing")))
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
        let (path, key) = (self.path.clone(), key.to_owned());
        ModelError::Unsupported { path, key, value: value.to_string(), reason: reason.into() }
    }

    pub(crate) fn impossible(&self, reason: String) -> ModelError {
        ModelError::Config { path: self.path.clone(), reason }
    }

    /// Refuses unread keys, unless they are harmless, empty, `accepted`, or switch something off:
    /// an unknown feature is off in any case.
    pub(crate) fn finish(&self, accepted: &[String]) -> Result<(), ModelError> {
        let read = self.read.borrow();
        for (key, value) in &self.map {
            let empty = match value {
                Value::Null | Value::Bool(false) => true,
                Value::Array(items) => items.is_empty(),
                Value::Object(items) => items.is_empty(),
                _ => false,
            };
            let known = read.contains(key)
                || HARMLESS.contains(&key.as_str())
                || key.starts_with('_')
                || accepted.contains(key);
            if !known && !empty {
                let reason = match key.as_str() {
                    "quantization_config" => {
                        "quantized weights are not read; use the unquantized checkpoint"
                    }
                    _ => {
                        "the key is unknown for this architecture, so it may change the result; \
                         if you know that it does not, accept it by name"
                    }
                };
                return Err(self.unsupported(key, value, reason));
            }
        }
        Ok(())
    }
}
