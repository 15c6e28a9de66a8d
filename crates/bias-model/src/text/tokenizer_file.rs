use std::path::Path;

use bias_files::read_file;
use serde_json::{Value, json};
use tokenizers::{DecoderWrapper, ModelWrapper, PostProcessorWrapper, Tokenizer};

use super::beside::Beside;
use super::class::Class;
use crate::error::ModelError;
use crate::stand_in;

/// The most bytes of a `tokenizer.json`. One of 262,144 tokens has 33 MiB.
const MOST: u64 = 256 << 20;

/// Reads a folder's `tokenizer.json` and the files beside it as transformers 5.23 reads them
/// (`fixtures/tokenizers`).
///
/// Padding and truncation that a call left in the file are switched off: transformers applies them
/// only where a caller asks for them. Dropout, which would split the same text differently each
/// time, is switched off as well.
pub(super) fn read(folder: &Path, path: &Path) -> Result<(Tokenizer, Beside), ModelError> {
    let failed = |reason: String| ModelError::Tokenizer { path: path.into(), reason };
    let bytes =
        read_file(path, MOST).map_err(|source| ModelError::Read { path: path.into(), source })?;
    let file: Value = serde_json::from_slice(&bytes).or_else(|source| {
        stand_in::refuse(path, &bytes)?;
        Err(ModelError::Json { path: path.into(), source: source.into() })
    })?;
    check_ids(&file).map_err(failed)?;
    const BYTES: &[u8] = br#""ByteLevel""#;
    let byte_level = bytes.windows(BYTES.len()).any(|own| own == BYTES);
    let beside = Beside::read(folder, &file, byte_level)?;
    check(folder, &beside)?;
    // As Python writes an absent token.
    let unknown = beside.token("unk_token").unwrap_or("None");
    let pipeline = beside.class.rebuilt(&beside.settings, Some(unknown)).map_err(|reason| {
        ModelError::Config { path: folder.join("tokenizer_config.json"), reason }
    })?;
    let mut tokenizer: Tokenizer = match pipeline {
        Some(pipeline) => {
            let changed = pipeline.applied(&file).map_err(failed)?;
            serde_json::from_value(changed).map_err(|e| failed(e.to_string()))?
        }
        None => Tokenizer::from_bytes(&bytes).map_err(|e| failed(e.to_string()))?,
    };
    drop(file);
    if cuts_ends(tokenizer.get_decoder()) {
        let reason = "its decoder strips characters from the ends of tokens (Strip with a stop \
                      above 0), which fails where a token is shorter";
        return Err(failed(reason.into()));
    }
    let failed = |error: tokenizers::Error| failed(error.to_string());
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).map_err(failed)?;
    if let ModelWrapper::BPE(own) = tokenizer.get_model()
        && own.dropout.is_some()
    {
        let mut steady = own.clone();
        steady.dropout = None;
        tokenizer.with_model(steady);
    }
    tokenizer.set_encode_special_tokens(beside.flag("split_special_tokens")?);
    beside.add_to(&mut tokenizer).map_err(failed)?;
    match beside.class {
        // It writes this part anew, and adds nothing.
        Class::GptNeoX => drop(tokenizer.with_post_processor(None::<PostProcessorWrapper>)),
        // It writes this part anew, with its first token.
        Class::CodeLlama => {
            let first = beside
                .token("bos_token")
                .and_then(|own| Some((own.to_owned(), tokenizer.token_to_id(own)?)));
            let around = first.map(|(text, id)| around(&text, id));
            let around: Option<PostProcessorWrapper> =
                around.map(serde_json::from_value).transpose().map_err(|e| failed(e.into()))?;
            tokenizer.with_post_processor(around);
        }
        _ => {}
    }
    Ok((tokenizer, beside))
}

/// Whether a decoder cuts characters off at the ends of tokens: tokenizers 0.23 panics there where a
/// token has fewer.
fn cuts_ends(decoder: Option<&DecoderWrapper>) -> bool {
    match decoder {
        Some(DecoderWrapper::Strip(own)) => own.stop > 0,
        Some(DecoderWrapper::Sequence(all)) => {
            all.get_decoders().iter().any(|own| cuts_ends(Some(own)))
        }
        _ => false,
    }
}

/// A post-processor that puts this token before every text.
fn around(text: &str, id: u32) -> Value {
    let special = json!({"SpecialToken": {"id": text, "type_id": 0}});
    let sequence = |id: &str| json!({"Sequence": {"id": id, "type_id": 0}});
    json!({
        "type": "TemplateProcessing",
        "single": [special, sequence("A")],
        "pair": [special, sequence("A"), special, sequence("B")],
        "special_tokens": {text: {"id": text, "ids": [id], "tokens": [text]}},
    })
}

/// Refuses ids that no vocabulary reaches: the tokenizer counts on from the largest.
fn check_ids(file: &Value) -> Result<(), String> {
    const MOST: u64 = i32::MAX as u64;
    let added = file.get("added_tokens").and_then(Value::as_array).into_iter().flatten();
    let added = added.filter_map(|own| own.get("id"));
    let known = file.pointer("/model/vocab").and_then(Value::as_object).into_iter().flatten();
    let mut all = added.chain(known.map(|(_, id)| id)).filter_map(Value::as_u64);
    match all.find(|id| *id > MOST) {
        Some(id) => Err(format!("a token has the id {id}, and no vocabulary is as large")),
        None => Ok(()),
    }
}

/// Refuses settings that change what texts become and that are not computed here.
fn check(folder: &Path, beside: &Beside) -> Result<(), ModelError> {
    let refuse = |key: &str, value: &Value, reason: &str| {
        Err(ModelError::Unsupported {
            path: folder.join("tokenizer_config.json"),
            key: key.into(),
            value: value.to_string(),
            reason: reason.into(),
        })
    };
    let settings = &beside.settings;
    if let Some(own) = settings.get("fix_mistral_regex").filter(|own| **own == Value::Bool(true)) {
        let reason = "it splits texts in another way than tokenizer.json says; save the tokenizer \
                      with transformers, and take the key out";
        return refuse("fix_mistral_regex", own, reason);
    }
    let key = "fast_tokenizer_files";
    let others = |own: &&Value| {
        own.as_array().is_some_and(|all| all.iter().any(|own| own != "tokenizer.json"))
    };
    if let Some(own) = settings.get(key).filter(others) {
        let reason = "only tokenizer.json is read; name it alone, or take the key out";
        return refuse(key, own, reason);
    }
    Ok(())
}
