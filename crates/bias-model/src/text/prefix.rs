use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::checkpoint::gguf::file::Gguf;
use crate::error::ModelError;
use crate::json::read_json;
use crate::on_disk;

/// The token that lm-evaluation-harness puts before a text without a context: the tokenizer's
/// `bos_token`, or else its `eos_token` (`HFLM.prefix_token_id`). `config.json` has no say in it.
/// `None` for a tokenizer that names neither.
///
/// `file` is the folder's `tokenizer.json`, or a GGUF file; `token_id` knows its tokens. Of a
/// folder, transformers reads `tokenizer_config.json`, and `special_tokens_map.json` over it where
/// the first lists no `added_tokens_decoder`. A token that neither names is the default of the
/// tokenizer's class. `null` in a file means that there is none.
///
/// # Errors
/// Files that cannot be read; a token that is not text, or that the tokenizer does not have.
pub(super) fn prefix_token(
    file: &Path,
    token_id: impl Fn(&str) -> Option<u32>,
) -> Result<Option<u32>, ModelError> {
    let odd = |reason| ModelError::Config { path: file.into(), reason };
    for (name, token) in named(file)? {
        let token = match token {
            None => continue,
            Some(Value::String(token)) => token,
            Some(Value::Object(own)) if own.get("content").is_some_and(Value::is_string) => {
                own.get("content").and_then(Value::as_str).unwrap_or_default().to_owned()
            }
            Some(other) => {
                return Err(odd(format!(
                    "the {name} beside it is {other}; expected a text, an object with `content`, or null"
                )));
            }
        };
        match token_id(&token) {
            Some(id) => return Ok(Some(id)),
            // As in transformers, an empty text is no token.
            None if token.is_empty() => {}
            None => {
                return Err(odd(format!(
                    "the {name} `{token}` is none of its tokens, so that texts cannot begin with it; name one of \
                     them, or null, in tokenizer_config.json"
                )));
            }
        }
    }
    Ok(None)
}

/// `bos_token` and `eos_token` as the files beside a tokenizer name them.
fn named(file: &Path) -> Result<[(&'static str, Option<Value>); 2], ModelError> {
    const NAMES: [&str; 2] = ["bos_token", "eos_token"];
    if file.extension().is_none_or(|ending| ending != "json") {
        let special = Gguf::open(file)?.vocabulary()?.special;
        let of = |name| special.iter().find(|(own, _)| *own == name).map(|(_, text)| text.into());
        return Ok(NAMES.map(|name| (name, of(name))));
    }
    let beside = |name: &str| -> Result<BTreeMap<String, Value>, ModelError> {
        let path = file.with_file_name(name);
        if on_disk::exists(&path)? { read_json(&path) } else { Ok(BTreeMap::new()) }
    };
    let mut settings = beside("tokenizer_config.json")?;
    if !settings.contains_key("added_tokens_decoder") {
        settings.append(&mut beside("special_tokens_map.json")?);
    }
    let config = beside("config.json")?;
    let text = |from: &BTreeMap<String, Value>, key| {
        from.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let default = defaults(&text(&config, "model_type"), &text(&settings, "tokenizer_class"));
    Ok([0, 1].map(|i| {
        let token = settings.get(NAMES[i]).cloned().or_else(|| default[i].map(Value::from));
        (NAMES[i], token.filter(|token| !token.is_null()))
    }))
}

/// The `bos_token` and `eos_token` of the class that transformers 5.23 makes of a folder's
/// `model_type` and `tokenizer_class`, where its files name none.
fn defaults(model_type: &str, tokenizer_class: &str) -> [Option<&'static str>; 2] {
    const END: &str = "<|endoftext|>";
    let class = match (model_type, tokenizer_class) {
        // Whatever these say, transformers takes its own.
        ("qwen2", _) => "Qwen2Tokenizer",
        ("mistral" | "phi3" | "olmo2", _) => "",
        ("qwen3", "") => "Qwen2Tokenizer",
        ("gemma2" | "gemma3" | "gemma3_text", "") => "GemmaTokenizer",
        ("gpt2", "") => "GPT2Tokenizer",
        ("gpt_neox", "") => "GPTNeoXTokenizer",
        (_, class) => class.strip_suffix("Fast").unwrap_or(class),
    };
    match class {
        "Qwen2Tokenizer" => [None, Some(END)],
        "GemmaTokenizer" => [Some("<bos>"), Some("<eos>")],
        "GPT2Tokenizer" | "GPTNeoXTokenizer" | "CodeGenTokenizer" => [Some(END); 2],
        "CohereTokenizer" => [Some("<BOS_TOKEN>"), Some("<|END_OF_TURN_TOKEN|>")],
        _ => [None; 2],
    }
}
