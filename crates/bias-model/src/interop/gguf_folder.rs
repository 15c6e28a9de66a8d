use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::ops::Range;
use std::path::Path;

use bias_files::{f32_bytes, header};
use bias_mask::{BitMatrix, Mask};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorInfo};
use serde_json::{Map, Value, json};

use super::weights_file::{framework, masked};
use crate::checkpoint::config::ModelConfig;
use crate::checkpoint::gguf::KINDS;
use crate::checkpoint::gguf::file::Gguf;
use crate::checkpoint::gguf::tokenizer::Vocabulary;
use crate::checkpoint::view::View;
use crate::checkpoint::{convert, mapped};
use crate::error::ModelError;
use crate::index::SINGLE;

/// The number of values that are dequantized at a time.
const AT_ONCE: usize = 1 << 22;

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
    let ids = ["bos_token_id", "eos_token_id", "pad_token_id"];
    let ids = ids.into_iter().filter_map(|key| Some((key.to_owned(), config.get(key)?.clone())));
    write_json(&folder.join("generation_config.json"), &ids.collect::<Map<_, _>>().into())?;
    write_tokenizer(gguf, folder)?;
    let path = folder.join(SINGLE);
    write_weights(gguf, &tensors, mask, &path)?;
    compare(gguf, &tensors, mask, &path)
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

/// Some rows of a tensor in the layout of the folder: as many as are dequantized at a time.
fn bytes(
    gguf: &Gguf,
    name: &str,
    view: &View<'_>,
    bits: Option<&BitMatrix>,
    rows: Range<usize>,
) -> Result<Vec<u8>, ModelError> {
    let inner = row(view);
    let first = rows.start * inner;
    let values = convert::as_named(view, rows).map_err(|error| error.of(gguf.path(), name))?;
    let mut bytes = f32_bytes(&values).into_owned();
    if let Some(bits) = bits {
        let own = (0..values.len()).filter(|at| bits.contains(first + at));
        own.for_each(|at| bytes[at * size_of::<f32>()..][..size_of::<f32>()].fill(0));
    }
    Ok(bytes)
}

/// The number of values in a row. A vector counts as one row.
fn row(view: &View<'_>) -> usize {
    view.shape.last().copied().unwrap_or(1).max(1)
}

/// The pieces of a tensor, in order.
fn pieces(view: &View<'_>) -> impl Iterator<Item = Range<usize>> + use<> {
    let rows: usize = view.shape.iter().rev().skip(1).product();
    let step = (AT_ONCE / row(view)).max(1);
    (0..rows).step_by(step).map(move |from| from..rows.min(from + step))
}

fn write_weights(
    gguf: &Gguf,
    tensors: &[(String, View<'_>)],
    mask: &Mask,
    path: &Path,
) -> Result<(), ModelError> {
    let mut end = 0usize;
    let infos = tensors.iter().map(|(name, view)| {
        let len = view.shape.iter().product::<usize>() * size_of::<f32>();
        let data_offsets = (end, end + len);
        end += len;
        (name.clone(), TensorInfo { dtype: Dtype::F32, shape: view.shape.clone(), data_offsets })
    });
    let written = |source| ModelError::Write { path: path.into(), source };
    let header = header(infos.collect(), &framework()).map_err(written)?;
    let mut file = BufWriter::new(File::create(path).map_err(written)?);
    file.write_all(&header).map_err(written)?;
    for (name, view) in tensors {
        let bits = masked(mask, name).map(|(_, bits)| bits);
        for rows in pieces(view) {
            file.write_all(&bytes(gguf, name, view, bits, rows)?).map_err(written)?;
        }
    }
    file.flush().map_err(written)
}

fn compare(
    gguf: &Gguf,
    tensors: &[(String, View<'_>)],
    mask: &Mask,
    path: &Path,
) -> Result<(), ModelError> {
    let differs =
        |tensor: &str| ModelError::ExportDiffers { path: path.into(), tensor: tensor.into() };
    let map = mapped::once(path)?;
    let back = SafeTensors::deserialize(&map)
        .map_err(|source| ModelError::Weights { path: path.into(), source: source.into() })?;
    for (name, view) in tensors {
        let (mut at, bits) = (0, masked(mask, name).map(|(_, bits)| bits));
        let tensor = back.tensor(name).map_err(|_| differs(name))?;
        for rows in pieces(view) {
            let own = bytes(gguf, name, view, bits, rows)?;
            if tensor.data().get(at..at + own.len()) != Some(&own[..]) {
                return Err(differs(name));
            }
            at += own.len();
        }
        if at != tensor.data().len() || tensor.shape() != view.shape {
            return Err(differs(name));
        }
    }
    gguf.mapped().check()
}

fn write_json(path: &Path, json: &Value) -> Result<(), ModelError> {
    let text = serde_json::to_vec_pretty(json)
        .map_err(|source| ModelError::Json { path: path.into(), source: source.into() })?;
    fs::write(path, text).map_err(|source| ModelError::Write { path: path.into(), source })
}
