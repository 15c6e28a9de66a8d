//! Errors between a folder of files and an answer.
//!
//! [`ModelError`] names the file and the tensor, and says what was expected and what was found. The
//! file `load_report` has [`LoadReport`]: all mismatches between a config and its weights at once.

pub(crate) mod load_report;

use std::path::PathBuf;

use bias_ask::AskError;
use bias_chat::ChatError;
use bias_mask::MaskError;
use bias_probe::ProbeError;
use bias_types::{ParamPath, TypesError};
use thiserror::Error;

pub use self::load_report::LoadReport;

/// An error between a folder of files and an answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A file of the checkpoint is missing or unreadable.
    #[error("cannot read {}; a Hugging Face model folder holds it", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A model or a file in a form that is not read.
    #[error("{} holds {found}; {advice}", path.display())]
    OtherForm {
        /// The folder or the file.
        path: PathBuf,
        /// What it holds.
        found: String,
        /// The step that helps.
        advice: String,
    },
    /// A file could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A JSON file with invalid content.
    #[error("{} is not valid", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A setting that this crate does not compute, and that would change the result.
    #[error("{}: `{key}` = {value} is not supported: {reason}", path.display())]
    Unsupported {
        /// The config file.
        path: PathBuf,
        /// The key.
        key: String,
        /// Its value.
        value: String,
        /// The supported values.
        reason: String,
    },
    /// A setting outside its range.
    #[error("{}: {reason}", path.display())]
    Config {
        /// The config file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// A weights file that is truncated or damaged.
    #[error("{} is truncated or damaged; download it again", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// The message of the format's reader.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A GGUF file that is truncated, damaged, or of a version or type that cannot be read.
    #[error("{}: {reason}", path.display())]
    Gguf {
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: String,
    },
    /// A tensor of a GGUF file that differs from the expected one.
    #[error("{}: the tensor {tensor} should have {expected}, found {found}", path.display())]
    GgufTensor {
        /// The file.
        path: PathBuf,
        /// The tensor, by its name in the file.
        tensor: String,
        /// The expected property.
        expected: String,
        /// The property found.
        found: String,
    },
    /// A tensor of a quantized matrix that is missing, or differs from the expected one.
    #[error("{}: the tensor {tensor} should have {expected}, found {found}; download the model again, or use the unquantized checkpoint", path.display())]
    QuantizedTensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The expected property.
        expected: String,
        /// The property found.
        found: String,
    },
    /// An adapter that does not fit its base, or is not merged here.
    #[error("{}: {reason}", path.display())]
    Adapter {
        /// The file of the adapter.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// An adapter whose base cannot be found.
    #[error(
        "{} belongs to the model `{name}`, which is not at hand; fetch it, or set          `base_model_name_or_path` in that file to its folder",
        path.display()
    )]
    AdapterBase {
        /// The adapter's config file.
        path: PathBuf,
        /// The name of the base in it.
        name: String,
        /// Why it cannot be found.
        #[source]
        source: Box<ModelError>,
    },
    /// Metadata of a GGUF file that are missing or differ from the expected ones.
    #[error("{}: the metadata key `{key}` should be {expected}, found {found}", path.display())]
    GgufKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// The expected value.
        expected: String,
        /// The value found.
        found: String,
    },
    /// A weights file that changed while it was in use.
    #[error("{} changed while the model was in use: its weights are no longer those that were loaded; start again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A model that does not fit into memory.
    #[error(
        "{} needs {} of memory and {} are free; leave its weights in their file instead \
         (`Precision::Mapped`, `--stream`)",
        folder.display(),
        gigabytes(*needed),
        gigabytes(*free)
    )]
    Memory {
        /// The model folder.
        folder: PathBuf,
        /// The bytes that its weights would take.
        needed: u64,
        /// The bytes that are free.
        free: u64,
    },
    /// A shard index that names a file outside its folder or of another kind.
    #[error("{}: the index maps {tensor} to `{file}`, which is not the plain name of a safetensors file", path.display())]
    EscapingShard {
        /// The index.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The file it names.
        file: String,
    },
    /// A name that is neither a folder nor a model of the hub.
    #[error("`{id}` is not a folder, and not a hub id either: {reason}")]
    HubId {
        /// The text given.
        id: String,
        /// The reason why it is no hub id.
        reason: &'static str,
    },
    /// A model of the hub, in a build that cannot reach the hub.
    #[error(
        "there is no folder `{id}`; to take it as a model of the Hugging Face hub (owner/name), build with the feature \
         `hub` (cargo … --features hub), or name the folder of a copy"
    )]
    HubFeature {
        /// The hub id.
        id: String,
    },
    /// No environment variable names the hub's cache folder, and there is no home folder.
    #[error("no home folder to keep the hub's cache in; set HF_HOME")]
    NoHubCache,
    /// The hub's token cannot be read.
    #[error("cannot read the hub's token, {}; make the file readable, or set HF_TOKEN", path.display())]
    HubToken {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A setting for the hub that is not valid text.
    #[error("the environment variable {name} is not valid UTF-8")]
    HubVariable {
        /// The variable.
        name: &'static str,
    },
    /// A model that is not in the hub's cache, while offline.
    #[error(
        "there is no folder `{id}`, and as a model of the hub (owner/name) it is not in the hub's cache, {} was looked in; \
         correct the folder, or allow the network (unset HF_HUB_OFFLINE), name a revision that is there, or copy the cache \
         of a machine that has it",
        folder.display()
    )]
    NotCached {
        /// The hub id.
        id: String,
        /// The folder of its snapshots.
        folder: PathBuf,
    },
    /// A model that is only partly in the hub's cache, while offline.
    #[error(
        "{id} is only partly in the hub's cache: {} lacks {}; allow the network (unset HF_HUB_OFFLINE), \
         or fetch all of it on a machine that has one. Weights are read from safetensors only",
        folder.display(),
        missing.join(", ")
    )]
    IncompleteSnapshot {
        /// The hub id.
        id: String,
        /// The snapshot.
        folder: PathBuf,
        /// The files it lacks.
        missing: Vec<String>,
    },
    /// A repository of the hub without a model that this crate can load.
    #[error(
        "{id} has no {} on the hub; weights are read from safetensors only, tokenizers from tokenizer.json. \
         Choose another revision or repository, or convert it with transformers",
        missing.join(", ")
    )]
    IncompleteModel {
        /// The hub id.
        id: String,
        /// The files it lacks.
        missing: Vec<String>,
    },
    /// A ref of the hub's cache that names no commit.
    #[error("{} names `{found}`, which is not a commit; remove that file", path.display())]
    HubRef {
        /// The file of the ref.
        path: PathBuf,
        /// The beginning of its content.
        found: String,
    },
    /// A download from the hub that failed.
    #[error(
        "there is no folder `{id}`, and {file} of the hub's model of that name (owner/name) cannot be downloaded; correct the \
         folder or the name, check the connection, and for a model that asks for access set HF_TOKEN"
    )]
    Download {
        /// The hub id.
        id: String,
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Tensors that are missing, unused, or of the wrong shape or type.
    #[error("{} does not hold the model its config describes:\n{report}", folder.display())]
    Mismatch {
        /// The model folder.
        folder: PathBuf,
        /// All mismatches.
        report: Box<LoadReport>,
    },
    /// A tensor that is in two files.
    #[error("{tensor} stands in both {} and {}; keep one", first.display(), second.display())]
    DuplicateTensor {
        /// The tensor.
        tensor: String,
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A tokenizer with more tokens than the model has embeddings.
    #[error(
        "{}: the tokenizer gives ids below {tokens} and the model {vocab} embeddings; they do not belong together",
        path.display()
    )]
    Vocabulary {
        /// The tokenizer file.
        path: PathBuf,
        /// All ids of the tokenizer are below this, added tokens not counted.
        tokens: usize,
        /// The number of rows of the embedding.
        vocab: usize,
    },
    /// Weights that are NaN or infinite.
    #[error("{}: {tensor} holds NaN or infinite values", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// A tensor whose bytes cannot be turned into values.
    #[error("{}: {tensor} cannot be dequantized: {reason}; download the file again", path.display())]
    Dequantize {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The message of the format's reader.
        reason: String,
    },
    /// An error of the tokenizer's file, or a text that it cannot encode.
    #[error("{}: {reason}", path.display())]
    Tokenizer {
        /// The tokenizer file.
        path: PathBuf,
        /// The message of the tokenizer.
        reason: String,
    },
    /// A chat template that fails.
    #[error("the chat template of {} {}", path.display(), said(source))]
    Template {
        /// The file that holds the template.
        path: PathBuf,
        /// The reason.
        #[source]
        source: ChatError,
    },
    /// A chat template that does not let an answer be begun.
    #[error(
        "the chat template of {} does not show how an answer begins, so none can be begun for the model; \
         ask without `answer_prefix`, or without the template (`raw`)",
        path.display()
    )]
    Continuation {
        /// The file that holds the template.
        path: PathBuf,
    },
    /// An argument of a chat template, for a model that has none.
    #[error(
        "{}: there is no chat template beside it, so nothing takes the argument `{argument}`",
        path.display()
    )]
    NoTemplate {
        /// The tokenizer file.
        path: PathBuf,
        /// The argument.
        argument: String,
    },
    /// A date for a chat template that tells the model none.
    #[error("the chat template of {} tells the model no date, so that --date would change nothing (in Rust, `LoadOptions::date`)", path.display())]
    NoDate {
        /// The file that holds the template, or the tokenizer of a model without one.
        path: PathBuf,
    },
    /// A generation setting to ignore that does not exist.
    #[error(
        "--ignore-generation-key {key}: {} has no such key{}; {}",
        path.display(),
        near.as_ref().map_or_else(String::new, |near| format!(", `{near}` is meant perhaps")),
        if held.is_empty() { "it says nothing of how answers are chosen".into() } else { format!("it has {held}") }
    )]
    NoSuchKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// A key that comes near.
        near: Option<String>,
        /// The keys of the file that decide how answers are chosen.
        held: String,
    },
    /// A number was asked of a tokenizer that has no digits.
    #[error("{}: no token is a digit, so no number can be asked for; ask a choice instead", path.display())]
    NoDigits {
        /// The tokenizer file.
        path: PathBuf,
    },
    /// A matrix was set to one of another shape.
    #[error("{path} has shape {expected:?} and cannot be set to one of {found:?}")]
    Shape {
        /// The parameter.
        path: ParamPath,
        /// Its `[out, in]` shape.
        expected: [usize; 2],
        /// The shape given.
        found: [usize; 2],
    },
    /// An exported model whose weights differ from the intended ones when read back.
    #[error("{}: {tensor} read back differs from what was written; nothing was kept", path.display())]
    ExportDiffers {
        /// The file.
        path: PathBuf,
        /// The first tensor that differs.
        tensor: String,
    },
    /// The export folder exists already.
    #[error("{} exists already; name a new folder", folder.display())]
    FolderExists {
        /// The folder.
        folder: PathBuf,
    },
    /// A record of transformers' results that is incomplete.
    #[error("{} has no tensor {name}; write it with fixtures/golden/make.py", path.display())]
    Reference {
        /// The file.
        path: PathBuf,
        /// The missing tensor.
        name: String,
    },
    /// Values could not be read back from the device.
    #[error("reading {what} back from the device failed: {reason}")]
    Readback {
        /// Which values.
        what: &'static str,
        /// The message of burn.
        reason: String,
    },
    /// A change gave a bias to a matrix whose architecture stores none.
    #[error(
        "{path} was given a bias that its checkpoint has no place for; take the change off before saving, or make one that needs no bias"
    )]
    ExtraBias {
        /// The matrix.
        path: ParamPath,
    },
    /// The mask does not fit the model.
    #[error(transparent)]
    Mask(#[from] MaskError),
    /// The model could not be asked.
    #[error(transparent)]
    Ask(AskError),
    /// The forward pass failed.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// Sizes that do not fit together.
    #[error(transparent)]
    Core(#[from] TypesError),
}

impl From<ModelError> for ProbeError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Probe(error) => error,
            error => Self::Weights { source: Box::new(error) },
        }
    }
}

impl From<ModelError> for AskError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Ask(error) => error,
            ModelError::Probe(error) => Self::Probe(error),
            error => Self::outside(error),
        }
    }
}

impl From<AskError> for ModelError {
    /// An error of this crate that passed through bias-ask gets its own type back.
    fn from(error: AskError) -> Self {
        match error {
            AskError::Probe(error) => Self::Probe(error),
            AskError::Outside { source } => match source.downcast::<Self>() {
                Ok(own) => *own,
                Err(source) => Self::Ask(AskError::Outside { source }),
            },
            error => Self::Ask(error),
        }
    }
}

/// What a chat template's error is about.
fn said(error: &ChatError) -> &'static str {
    match error {
        ChatError::Argument { .. } | ChatError::Value { .. } | ChatError::Date { .. } => {
            "cannot be told all that was given for it"
        }
        _ => "failed",
    }
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}
