use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};
use tokenizers::Tokenizer;

use crate::error::ModelError;
use crate::json::read_json;
use crate::on_disk;

/// What decides, beside `tokenizer.json`, how transformers 5 builds a tokenizer.
#[derive(Debug, Default, Deserialize)]
struct Settings {
    tokenizer_class: Option<String>,
    legacy: Option<bool>,
    add_prefix_space: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
struct Config {
    model_type: Option<String>,
}

/// Model types whose tokenizer file transformers takes as it is, whatever class the folder names.
const AS_IT_IS: [&str; 5] = ["mistral", "phi3", "olmo2", "granite", "qwen2"];

/// Reads a folder's `tokenizer.json` as transformers 5 reads it (`fixtures/tokenizers`).
///
/// Padding and truncation that a call left in the file are switched off: transformers applies them
/// only where a caller asks for them. For the class `LlamaTokenizer`, it replaces what the file
/// says of spaces by rules of its own.
pub(super) fn read(folder: &Path, path: &Path) -> Result<Tokenizer, ModelError> {
    let failed = |reason: String| ModelError::Tokenizer { path: path.into(), reason };
    let file: Value = read_json(path)?;
    let mut tokenizer: Tokenizer = match llama_rules(folder, &file)? {
        Some(changed) => serde_json::from_value(changed).map_err(|e| failed(e.to_string()))?,
        None => Tokenizer::from_file(path).map_err(|e| failed(e.to_string()))?,
    };
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).map_err(|e| failed(e.to_string()))?;
    Ok(tokenizer)
}

/// The tokenizer of a folder that names the class `LlamaTokenizer`: a space is put before a text's
/// beginning only, or, where `legacy` is set, also behind every special token.
fn llama_rules(folder: &Path, file: &Value) -> Result<Option<Value>, ModelError> {
    let settings: Settings = optional(&folder.join("tokenizer_config.json"))?;
    let config: Config = optional(&folder.join("config.json"))?;
    let class = settings.tokenizer_class.unwrap_or_default();
    let kind = config.model_type.unwrap_or_default();
    let llama = class.strip_suffix("Fast").unwrap_or(&class) == "LlamaTokenizer";
    let model = file.get("model").and_then(|model| model.get("type")).and_then(Value::as_str);
    if !llama || AS_IT_IS.contains(&kind.as_str()) || model != Some("BPE") || is_byte_level(file) {
        return Ok(None);
    }
    let prefix = settings.add_prefix_space.unwrap_or(true);
    let scheme = match (prefix, settings.legacy.unwrap_or(false)) {
        (false, _) => "never",
        (true, true) => "always",
        (true, false) => "first",
    };
    let mut decoders = vec![
        json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    if prefix {
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    let mut file = file.clone();
    file["normalizer"] = Value::Null;
    file["pre_tokenizer"] = json!({
        "type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": false
    });
    file["decoder"] = json!({"type": "Sequence", "decoders": decoders});
    for (key, value) in [("fuse_unk", true), ("byte_fallback", true)] {
        file["model"][key] = Value::Bool(value);
    }
    // Transformers names no unknown token here: what bytes cannot spell is left out.
    for key in ["dropout", "unk_token"] {
        file["model"][key] = Value::Null;
    }
    Ok(Some(file))
}

/// Whether a file spells spaces as GPT-2's bytes.
fn is_byte_level(file: &Value) -> bool {
    fn holds(value: &Value) -> bool {
        value.get("type").and_then(Value::as_str) == Some("ByteLevel")
            || ["pretokenizers", "normalizers", "decoders"]
                .iter()
                .filter_map(|key| value.get(key).and_then(Value::as_array))
                .flatten()
                .any(holds)
    }
    ["pre_tokenizer", "normalizer", "decoder"].iter().filter_map(|key| file.get(key)).any(holds)
}

fn optional<T: Default + serde::de::DeserializeOwned>(path: &Path) -> Result<T, ModelError> {
    if on_disk::exists(path)? { read_json(path) } else { Ok(T::default()) }
}
