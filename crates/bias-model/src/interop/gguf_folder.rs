use std::fs;
use std::path::Path;

use bias_mask::Mask;
use serde_json::{Map, Value, json};

use super::unpacked::{self, Stored};
use crate::checkpoint::config::ModelConfig;
use crate::checkpoint::gguf::KINDS;
use crate::checkpoint::gguf::file::Gguf;
use crate::checkpoint::gguf::tokenizer::Vocabulary;
use crate::error::ModelError;
use crate::index::SINGLE;

/// Writes a Hugging Face folder of the model: every weight in f32, with zeros where the mask, in
/// the layout of that folder, says so; config, tokenizer, chat template and end tokens. Weights are
/// read back and compared.
///
/// Weights are in f32 because no narrower type holds every quantized value. So logits stay the
/// same.
pub(super) fn export(
    gguf: &Gguf,
    config: &ModelConfig,
    mask: &Mask,
    folder: &Path,
) -> Result<(), ModelError> {
    let tensors = gguf.tensors()?;
    if let Some((name, view)) = tensors.iter().find(|(_, view)| !view.kind.is_read()) {
        let (path, tensor, found) = (gguf.path().into(), name.clone(), view.kind.to_string());
        return Err(ModelError::GgufTensor { path, tensor, expected: KINDS.into(), found });
    }
    let config = config.to_json();
    write_json(&folder.join("config.json"), &config)?;
    write_beside(gguf, &config, folder)?;
    let of = |(name, view)| Stored { name, path: gguf.path(), view, f32: true };
    let tensors: Vec<Stored<'_>> = tensors.into_iter().map(of).collect();
    let path = folder.join(SINGLE);
    unpacked::write(&tensors, mask, &path)?;
    unpacked::compare(&tensors, mask, &path)?;
    gguf.mapped().check()
}

/// Writes the files that a folder has beside config and weights: end tokens, tokenizer, chat
/// template.
pub(super) fn write_beside(gguf: &Gguf, config: &Value, folder: &Path) -> Result<(), ModelError> {
    let ids = ["bos_token_id", "eos_token_id", "pad_token_id"];
    let ids = ids.into_iter().filter_map(|key| Some((key.to_owned(), config.get(key)?.clone())));
    write_json(&folder.join("generation_config.json"), &ids.collect::<Map<_, _>>().into())?;
    write_tokenizer(gguf, folder)
}

fn write_tokenizer(gguf: &Gguf, folder: &Path) -> Result<(), ModelError> {
    let Vocabulary { tokenizer, special, template, add_bos, add_eos } = gguf.vocabulary()?;
    tokenizer.save(folder.join("tokenizer.json"), false).map_err(|e| gguf.tokenizer_error(&e))?;
    let mut config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": add_bos,
        "add_eos_token": add_eos,
        "clean_up_tokenization_spaces": false,
    });
    special.iter().for_each(|(name, token)| config[name] = token.into());
    template.into_iter().for_each(|template| config["chat_template"] = template.into());
    write_json(&folder.join("tokenizer_config.json"), &config)
}

pub(super) fn write_json(path: &Path, json: &Value) -> Result<(), ModelError> {
    let text = serde_json::to_vec_pretty(json)
        .map_err(|source| ModelError::Json { path: path.into(), source: source.into() })?;
    fs::write(path, text).map_err(|source| ModelError::Write { path: path.into(), source })
}
