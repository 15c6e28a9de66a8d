use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use bias_files::{Tensor, open_file, save_tensors};
use bias_mask::{Mask, MaskError};
use bias_types::ParamPath;
use burn::tensor::backend::Backend;
use safetensors::tensor::Metadata;
use safetensors::{SafeTensorError, SafeTensors};
use serde::Serialize;

use super::gguf_folder;
use super::unpacked::{self, Stored};
use super::weights_file::{framework, masked};
use crate::adapter_files;
use crate::checkpoint::config::ModelConfig;
use crate::checkpoint::mapped;
use crate::checkpoint::tying::Head;
use crate::checkpoint::weights::Checkpoint;
use crate::decoder::model::Decoder;
use crate::error::ModelError;
use crate::index::{INDEX, SINGLE};
use crate::language_model::LoadOptions;
use crate::on_disk;

/// Writes a copy of a model in which the weights of a mask are zero.
///
/// A folder is copied. A GGUF file becomes a Hugging Face folder with its weights in f32, which
/// holds every quantized value exactly. So does a folder with quantized weights, without its
/// `quantization_config`; bf16 is written where it holds every value. An adapter is merged: the
/// copy has a model alone. The result says, in a sentence each, what of this was done.
///
/// The function works on the files, not on a loaded model: types and sharding stay as they are,
/// every untouched byte is copied, zero is all-zero bits in every float type, and one tensor at a
/// time is in memory. The folder appears whole or not at all: it is written beside its final place,
/// read back, compared, and only then renamed.
///
/// If `config.json` ties the embedding and the head and the files hold two that differ, both are
/// copied and the copy's `config.json` says that nothing is tied.
///
/// `pruned.json` in it records the zeroed tensors (stored name → number of weights), the model
/// (SHA-256 of its weights) and the mask (digest and provenance).
///
/// The mask must name the weights that it was made for; otherwise it is refused
/// ([`MaskError::NoModel`]). If you know that it is this model's, tie it to the model first, with
/// [`Mask::for_model`] and [`Checkpoint::fingerprint`].
///
/// # Errors
/// [`ModelError::FolderExists`]; a mask for another model, for no model or of other shapes;
/// unreadable or unwritable files; [`ModelError::ExportDiffers`].
pub fn export_masked(
    source: &Path,
    options: &LoadOptions,
    mask: &Mask,
    target: &Path,
) -> Result<Vec<String>, ModelError> {
    let checkpoint = Checkpoint::accepting(source, &options.accepted_keys)?;
    let fingerprint = checkpoint.fingerprint()?;
    mask.check_made_for(fingerprint)?;
    let config = ModelConfig::accepting(source, &options.accepted_keys)?;
    let stored = checkpoint.stored_mask(&config, mask)?;
    let mut manifest = Manifest::new(fingerprint, mask, &stored);
    let mask = &stored;
    let mut wanted: BTreeSet<&ParamPath> = mask.iter().map(|(path, _)| path).collect();
    for (name, shape) in checkpoint.shapes()? {
        if let Some((param, bits)) = masked(mask, &name) {
            // Experts may be stacked: their matrices lie one below the other.
            let columns = shape.last().copied().unwrap_or(0);
            let found = [shape.iter().rev().skip(1).product(), columns];
            if found != [bits.rows(), bits.cols()] {
                return Err(ModelError::Shape {
                    path: param,
                    expected: [bits.rows(), bits.cols()],
                    found,
                });
            }
            wanted.remove(&param);
        }
    }
    if let Some(absent) = wanted.first() {
        return Err(MaskError::NoSuchParam { path: (*absent).clone() }.into());
    }
    if let Some(gguf) = checkpoint.gguf() {
        write_folder(target, |folder| {
            gguf_folder::export(gguf, &config, mask, folder)?;
            manifest.write(&folder.join(MANIFEST))
        })?;
        return Ok(Vec::new());
    }
    if checkpoint.is_packed() {
        let (notes, from) = (unpacked_notes(&checkpoint), from(&checkpoint));
        manifest.provenance.extend(notes.iter().map(|(key, note)| ((*key).into(), note.clone())));
        let of = |(name, path, view)| Stored { name, path, view, f32: false };
        let tensors: Vec<Stored<'_>> = checkpoint.all()?.map(of).collect();
        let kept = if checkpoint.head(&config)? == Head::Both { config.untied() } else { config };
        let kept = kept.unpacked(tensors.iter().any(Stored::is_widened));
        write_folder(target, |folder| {
            copy_beside(&checkpoint, &from, folder)?;
            gguf_folder::write_json(&folder.join("config.json"), &kept.to_json())?;
            let path = folder.join(SINGLE);
            unpacked::write(&tensors, mask, &path)?;
            unpacked::compare(&tensors, mask, &path)?;
            checkpoint.check_files()?;
            manifest.write(&folder.join(MANIFEST))
        })?;
        return Ok(notes.into_iter().map(|(_, note)| note).collect());
    }
    write_folder(target, |folder| {
        copy_beside(&checkpoint, &[(source, Beside::All)], folder)?;
        if checkpoint.head(&config)? == Head::Both {
            // Whoever ties without looking would make another model of the copy.
            let path = folder.join("config.json");
            let json = serde_json::to_vec_pretty(&config.clone().untied().to_json())
                .map_err(|source| ModelError::Json { path: path.clone(), source: source.into() })?;
            write(&path, &json)?;
        }
        for (path, map) in checkpoint.shards() {
            let Some(name) = path.file_name() else { continue };
            let written = folder.join(name);
            write_shard(path, map, mask, &written)?;
            compare_shard(path, map, mask, &written)?;
        }
        // As a whole, not only file by file: the copy must be found the way any reader finds it.
        let copied = Checkpoint::open(folder)?.files().count();
        if copied != checkpoint.files().count() {
            let tensor = format!("{copied} weight files");
            return Err(ModelError::ExportDiffers { path: folder.into(), tensor });
        }
        manifest.write(&folder.join(MANIFEST))
    })?;
    Ok(Vec::new())
}

/// Which files of a folder are copied beside weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    All,
    Tokenizer,
    NoTokenizer,
}

/// The folders that files are copied from: of an adapter that has a tokenizer, that tokenizer.
fn from(checkpoint: &Checkpoint) -> Vec<(&Path, Beside)> {
    let own = checkpoint.folder();
    match checkpoint.adapter().map(|adapter| adapter.base.as_path()) {
        Some(base) if base != own && own.join("tokenizer.json").is_file() => {
            vec![(base, Beside::NoTokenizer), (own, Beside::Tokenizer)]
        }
        Some(base) => vec![(base, Beside::All)],
        None => vec![(own, Beside::All)],
    }
}

/// Copies everything that is not weights or an index of them, nor an adapter or a quantization that the copy has not.
fn copy_beside(
    checkpoint: &Checkpoint,
    from: &[(&Path, Beside)],
    folder: &Path,
) -> Result<(), ModelError> {
    let weights: BTreeSet<&Path> = checkpoint.files().collect();
    let (merged, quantized) = (checkpoint.adapter().is_some(), checkpoint.method().is_some());
    for (source, which) in from {
        for entry in fs::read_dir(source).map_err(reading(source))? {
            let path = entry.map_err(reading(source))?.path();
            let name = path.file_name().unwrap_or_default();
            let left = weights.contains(path.as_path())
                || is_other_weights(&path, &weights)
                || (checkpoint.is_packed() && name == INDEX)
                || (merged && name == adapter_files::CONFIG)
                || (quantized && QUANTIZED.iter().any(|own| name == *own));
            let wanted = match which {
                Beside::All => true,
                Beside::Tokenizer => is_of_tokenizer(name),
                Beside::NoTokenizer => !is_of_tokenizer(name),
            };
            if wanted && !left && on_disk::is_file(&path)? {
                // The content alone: who may read the copy is for the umask.
                let mut from = open_file(&path).map_err(reading(&path))?;
                let target = folder.join(name);
                let mut to = fs::File::create(&target).map_err(writing(&target))?;
                io::copy(&mut from, &mut to).map_err(writing(&target))?;
            }
        }
    }
    Ok(())
}

/// Files in which some tools say once more how weights are quantized.
const QUANTIZED: [&str; 3] = ["quantize_config.json", "quant_config.json", "recipe.yaml"];

/// Whether a file belongs to a tokenizer, by its name.
fn is_of_tokenizer(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    ["tokenizer", "special_tokens_map", "added_tokens", "chat_template", "vocab.", "merges."]
        .iter()
        .any(|start| name.starts_with(start))
}

/// What a reader of the copy should know, by key.
fn unpacked_notes(checkpoint: &Checkpoint) -> Vec<(&'static str, String)> {
    let mut notes = Vec::new();
    if let Some(method) = checkpoint.method() {
        let note = format!("weights were quantized ({method}) and are written dequantized");
        notes.push(("dequantized", note + ", without quantization_config"));
    }
    if let Some(adapter) = checkpoint.adapter() {
        let (own, base) = (checkpoint.folder().display(), adapter.base.display());
        notes.push(("adapter", format!("the adapter in {own} is merged into its base, {base}")));
    }
    notes
}

const MANIFEST: &str = "pruned.json";

/// The zeroed weights, and the mask.
#[derive(Serialize)]
struct Manifest {
    format: &'static str,
    /// SHA-256 of the weights that were pruned.
    source: String,
    /// SHA-256 of the mask's bits.
    mask: String,
    provenance: BTreeMap<String, String>,
    /// The number of weights set to zero, by the name of the tensor in the files.
    zeroed: BTreeMap<String, usize>,
    total: usize,
}

impl Manifest {
    fn new(source: &str, mask: &Mask, stored: &Mask) -> Self {
        let counts = stored.iter().map(|(path, bits)| (path.to_string(), bits.count()));
        Self {
            format: "bias-pruned/1",
            source: source.into(),
            mask: mask.digest(),
            provenance: mask.provenance().clone(),
            zeroed: counts.filter(|(_, count)| *count > 0).collect(),
            total: stored.count(),
        }
    }

    fn write(&self, path: &Path) -> Result<(), ModelError> {
        let json = serde_json::to_vec_pretty(self)
            .map_err(|source| ModelError::Json { path: path.into(), source: source.into() })?;
        write(path, &json)
    }
}

fn layout(path: &Path, map: &[u8]) -> Result<(usize, Metadata), ModelError> {
    // The data follow an 8-byte length and the header.
    let damaged =
        |source: SafeTensorError| ModelError::Weights { path: path.into(), source: source.into() };
    SafeTensors::read_metadata(map)
        .map(|(header, metadata)| (header + 8, metadata))
        .map_err(damaged)
}

/// Other files with the same weights, unpruned: a copy with both would be a trap.
fn is_other_weights(path: &Path, used: &BTreeSet<&Path>) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let weights =
        [".safetensors", ".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack", ".onnx", ".ot"];
    // A single file may have an index too, unless it goes by the name that needs none.
    let single = used.iter().any(|used| used.ends_with(SINGLE));
    let index = name.ends_with(".index.json") && (single || !name.contains("safetensors"));
    index || weights.iter().any(|ending| name.ends_with(ending))
}

/// Each tensor of a shard in file order, with its value after zeroing.
fn zeroed<'a>(
    path: &Path,
    map: &'a [u8],
    mask: &'a Mask,
) -> Result<impl Iterator<Item = (String, Cow<'a, [u8]>)>, ModelError> {
    let (data, metadata) = layout(path, map)?;
    let tensors = metadata.tensors();
    let mut spans: Vec<(String, (usize, usize))> =
        tensors.into_iter().map(|(name, info)| (name, info.data_offsets)).collect();
    spans.sort_by_key(|(_, span)| *span);
    Ok(spans.into_iter().map(move |(name, (start, end))| {
        let bytes = &map[data + start..data + end];
        let bytes = match masked(mask, &name) {
            None => Cow::Borrowed(bytes),
            Some((_, bits)) => {
                let width = bytes.len() / (bits.rows() * bits.cols()).max(1);
                let mut bytes = bytes.to_vec();
                bits.iter().for_each(|i| bytes[i * width..][..width].fill(0));
                Cow::Owned(bytes)
            }
        };
        (name, bytes)
    }))
}

fn write_shard(path: &Path, map: &[u8], mask: &Mask, target: &Path) -> Result<(), ModelError> {
    let mut file = BufWriter::new(fs::File::create(target).map_err(writing(target))?);
    let (data, _) = layout(path, map)?;
    file.write_all(&map[..data]).map_err(writing(target))?;
    for (_, bytes) in zeroed(path, map, mask)? {
        file.write_all(&bytes).map_err(writing(target))?;
    }
    file.flush().map_err(writing(target))
}

fn compare_shard(path: &Path, map: &[u8], mask: &Mask, target: &Path) -> Result<(), ModelError> {
    let back = mapped::once(target)?;
    let (mut at, _) = layout(target, &back)?;
    for (tensor, bytes) in zeroed(path, map, mask)? {
        if back.get(at..at + bytes.len()) != Some(&*bytes) {
            return Err(ModelError::ExportDiffers { path: target.into(), tensor });
        }
        at += bytes.len();
    }
    Ok(())
}

/// Writes a model as a Hugging Face folder: `config.json` and `model.safetensors` in f32, and the
/// files that `beside` adds (tokenizer, chat template, README).
///
/// The model of a multimodal folder is written as the text model that it is: `gemma3` becomes
/// `gemma3_text`, `mistral3` becomes `mistral` or `ministral3`.
///
/// If a change of the model gave a matrix a bias, `config.json` says so (`attention_bias`,
/// `mlp_bias`), and matrices that get one by this and have none are given zeros. An architecture
/// without such a key cannot hold the change: [`ModelError::ExtraBias`].
///
/// # Errors
/// [`ModelError::FolderExists`], [`ModelError::ExtraBias`], or files that cannot be written.
pub fn save_pretrained<B: Backend>(
    model: &Decoder<B>,
    target: &Path,
    beside: impl FnOnce(&Path) -> Result<(), ModelError>,
) -> Result<(), ModelError> {
    let model = &model.with_room_for_biases()?;
    let tensors = model.to_tensors()?;
    let config = serde_json::to_vec_pretty(&model.config().to_text_json()).map_err(|source| {
        ModelError::Json { path: target.join("config.json"), source: source.into() }
    })?;
    write_folder(target, |folder| {
        write(&folder.join("config.json"), &config)?;
        let path = folder.join(SINGLE);
        let tensors =
            tensors.iter().map(|t| (t.name.clone(), Tensor::f32(t.shape.clone(), &t.values)));
        save_tensors(&path, tensors, &framework()).map_err(writing(&path))?;
        beside(folder)
    })
}

/// Writes a changed model as [`save_pretrained`] does, with everything but weights and config of
/// the folder or GGUF file that it was loaded from: tokenizer, chat template, generation settings.
///
/// # Errors
/// As [`save_pretrained`]; a source that cannot be read.
pub fn save_changed<B: Backend>(
    model: &Decoder<B>,
    source: &Path,
    options: &LoadOptions,
    target: &Path,
) -> Result<(), ModelError> {
    let checkpoint = Checkpoint::accepting(source, &options.accepted_keys)?;
    save_pretrained(model, target, |folder| {
        let Some(gguf) = checkpoint.gguf() else {
            let config = folder.join("config.json");
            let own = fs::read(&config).map_err(reading(&config))?;
            copy_beside(&checkpoint, &from(&checkpoint), folder)?;
            fs::remove_file(folder.join(INDEX)).or_else(absent).map_err(writing(folder))?;
            return write(&config, &own);
        };
        gguf_folder::write_beside(gguf, &model.config().to_json(), folder)
    })
}

fn absent(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Writes a folder whole or not at all. The files in it need not be written that way.
fn write_folder(
    target: &Path,
    fill: impl FnOnce(&Path) -> Result<(), ModelError>,
) -> Result<(), ModelError> {
    if on_disk::exists(target)? {
        return Err(ModelError::FolderExists { folder: target.into() });
    }
    bias_files::write_folder(target, |path, source| ModelError::Write { path, source }, fill)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    fs::write(path, bytes).map_err(writing(path))
}

fn reading(path: &Path) -> impl Fn(std::io::Error) -> ModelError {
    move |source| ModelError::Read { path: path.into(), source }
}

fn writing(path: &Path) -> impl Fn(std::io::Error) -> ModelError {
    move |source| ModelError::Write { path: path.into(), source }
}
