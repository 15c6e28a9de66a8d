//! Files of f32 tensors: safetensors whose metadata hold a `format`, the `provenance` as
//! JSON and a `sha256` over names, shapes and values. `safetensors.numpy.load_file` opens them.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;

use bias_files::{Tensor, f32s, hex, read_file, save_tensors};
use bias_types::ModelDims;
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use sha2::{Digest as _, Sha256};

use super::provenance::ScoreProvenance;
use crate::error::{AttribError, ValuesOf};

/// A tensor on its way into a file.
pub(crate) struct Stored<'a> {
    pub shape: Vec<usize>,
    pub values: &'a [f32],
}

/// The content of a file.
pub(crate) struct Contents {
    pub tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    pub provenance: ScoreProvenance,
    metadata: HashMap<String, String>,
}

impl Contents {
    /// A further entry of the metadata.
    pub(crate) fn entry(&self, path: &Path, key: &str) -> Result<&str, AttribError> {
        let missing = || AttribError::NotScores {
            path: path.into(),
            reason: format!("it has no `{key}` entry"),
        };
        self.metadata.get(key).map(String::as_str).ok_or_else(missing)
    }

    /// Refuses tensors that were not asked for.
    pub(crate) fn finish(self, path: &Path) -> Result<ScoreProvenance, AttribError> {
        match self.tensors.into_keys().next() {
            Some(name) => Err(AttribError::NotScores {
                path: path.into(),
                reason: format!("{name} is not the model's"),
            }),
            None => Ok(self.provenance),
        }
    }
}

/// Adds a tensor to the hash of a file's content.
fn absorb(hash: &mut Sha256, name: &str, shape: &[usize], bytes: &[u8]) {
    hash.update((name.len() as u64).to_le_bytes());
    hash.update(name);
    hash.update((shape.len() as u64).to_le_bytes());
    shape.iter().for_each(|size| hash.update((*size as u64).to_le_bytes()));
    hash.update(bytes);
}

fn refuse_nan(name: &str, values: &[f32]) -> Result<(), AttribError> {
    if values.iter().all(|v| v.is_finite()) {
        return Ok(());
    }
    Err(AttribError::NotFinite { what: ValuesOf::Tensor(name.into()) })
}

/// Writes tensors by way of a temporary file beside the target.
pub(crate) fn write(
    path: &Path,
    format: &str,
    tensors: BTreeMap<String, Stored<'_>>,
    provenance: &ScoreProvenance,
    entries: &[(&str, String)],
) -> Result<(), AttribError> {
    let io = |source: io::Error| AttribError::Io { path: path.into(), source };
    let mut hash = Sha256::new();
    tensors.iter().try_for_each(|(name, own)| refuse_nan(name, own.values))?;
    let tensors: BTreeMap<String, Tensor<'_>> =
        tensors.into_iter().map(|(name, own)| (name, Tensor::f32(own.shape, own.values))).collect();
    tensors.iter().for_each(|(name, own)| absorb(&mut hash, name, own.shape(), own.data()));
    let mut metadata: BTreeMap<String, String> =
        entries.iter().map(|(key, value)| ((*key).into(), value.clone())).collect();
    metadata.insert("format".into(), format.into());
    metadata
        .insert("provenance".into(), serde_json::to_string(provenance).map_err(|e| io(e.into()))?);
    metadata.insert("sha256".into(), hex(&hash.finalize()));
    save_tensors(path, tensors, &metadata).map_err(io)
}

/// The most bytes of a file with this many values for each weight of a model, and of its header.
pub(crate) fn most_bytes(dims: &ModelDims, values: u64) -> u64 {
    const HEADER: u64 = 64 << 20;
    (dims.prunable_weights() as u64).saturating_mul(4 * values).saturating_add(HEADER)
}

/// Reads a file of this format and model, of at most `most` bytes, and checks it against its own
/// hash.
pub(crate) fn read(
    path: &Path,
    format: &str,
    fingerprint: Option<&str>,
    most: u64,
) -> Result<Contents, AttribError> {
    let bad = |reason: String| AttribError::NotScores { path: path.into(), reason };
    let bytes =
        read_file(path, most).map_err(|source| AttribError::Io { path: path.into(), source })?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| bad(e.to_string()))?;
    let metadata = header.metadata().clone().unwrap_or_default();
    let mut contents =
        Contents { tensors: BTreeMap::new(), provenance: ScoreProvenance::default(), metadata };
    let found = contents.entry(path, "format")?;
    if found != format {
        return Err(bad(format!("its format is `{found}`, not `{format}`")));
    }
    contents.provenance = serde_json::from_str(contents.entry(path, "provenance")?)
        .map_err(|e| bad(format!("`provenance`: {e}")))?;
    contents.provenance.check(path, fingerprint)?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| bad(e.to_string()))?;
    let mut hash = Sha256::new();
    for (name, view) in tensors.tensors().into_iter().collect::<BTreeMap<_, _>>() {
        if view.dtype() != Dtype::F32 {
            return Err(bad(format!("{name} is {:?}, not F32", view.dtype())));
        }
        absorb(&mut hash, &name, view.shape(), view.data());
        contents.tensors.insert(name, (view.shape().to_vec(), f32s(view.data())));
    }
    if hex(&hash.finalize()) != contents.entry(path, "sha256")? {
        return Err(
            bad("its content does not match its own hash; it was damaged or edited".into()),
        );
    }
    contents.tensors.iter().try_for_each(|(name, (_, values))| refuse_nan(name, values))?;
    Ok(contents)
}
