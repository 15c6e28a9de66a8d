//! Score files: safetensors, one `F32` tensor `[out, in]` per matrix under its Hugging
//! Face name, so that `safetensors.numpy.load_file` opens them. The metadata hold the
//! `convention`, the `provenance` as JSON and a `sha256` over names, shapes and values.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;

use bias_core::{Convention, ModelDims, ParamScores};
use safetensors::tensor::{Dtype, View};
use safetensors::{SafeTensorError, SafeTensors};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::readback::Readback;
use crate::{AttribError, Contrast};

const FORMAT: &str = "bias-scores/1";

/// Where scores come from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Provenance {
    /// The method's [name](crate::Attribution::name).
    pub method: String,
    /// SHA-256 of the model's weights, if known.
    pub model: Option<String>,
    /// How many prompts about A and about B.
    pub prompts: [u64; 2],
    /// Whatever else should be known (context, prompt set, …).
    #[serde(default)]
    pub notes: BTreeMap<String, String>,
}

impl Provenance {
    /// Of scores that a method gave for these prompts.
    #[must_use]
    pub fn new(method: &str, contrast: &Contrast) -> Self {
        let prompts = [contrast.a.len() as u64, contrast.b.len() as u64];
        Self { method: method.into(), prompts, ..Self::default() }
    }

    /// Ties the scores to a model's weights.
    #[must_use]
    pub fn for_model(self, fingerprint: Option<&str>) -> Self {
        Self { model: fingerprint.map(Into::into), ..self }
    }

    /// Adds a note.
    #[must_use]
    pub fn with_note(mut self, key: &str, value: impl ToString) -> Self {
        self.notes.insert(key.into(), value.to_string());
        self
    }
}

/// Writes scores of a model's matrices as safetensors, by way of a temporary file.
///
/// # Errors
/// [`AttribError::NotFinite`] for scores that are NaN or infinite, [`AttribError::Unlike`]
/// for scores of different conventions or none, [`AttribError::Io`].
pub fn save_scores(path: &Path, scores: &[ParamScores], provenance: &Provenance) -> Result<(), AttribError> {
    save(path, &[("", scores)], provenance)
}

/// Reads scores back, layer by layer, if they are a model's with these sizes and this
/// fingerprint (where both sides know it).
///
/// # Errors
/// [`AttribError::Io`]; [`AttribError::NotScores`] for anything but an undamaged score
/// file of the model's matrices; [`AttribError::OtherModel`]; [`AttribError::Shape`];
/// [`AttribError::NotFinite`].
pub fn load_scores(
    path: &Path,
    dims: &ModelDims,
    fingerprint: Option<&str>,
) -> Result<(Vec<ParamScores>, Provenance), AttribError> {
    let ([scores], provenance) = load(path, [""], dims, fingerprint)?;
    Ok((scores, provenance))
}

/// A matrix on its way into a file: bytes are made when they are written.
struct Stored<'a>(&'a ParamScores, [usize; 2]);

impl View for Stored<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.1
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.0.values().iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    fn data_len(&self) -> usize {
        4 * self.0.values().len()
    }
}

/// Adds a tensor to the hash of a file's content.
fn absorb(hash: &mut Sha256, name: &str, shape: &[usize], bytes: &[u8]) {
    for size in [&[name.len()], shape].concat() {
        hash.update((size as u64).to_le_bytes());
    }
    hash.update(name);
    hash.update(bytes);
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

fn refuse_nan(scores: &ParamScores) -> Result<(), AttribError> {
    if scores.values().iter().all(|v| v.is_finite()) {
        return Ok(());
    }
    Err(AttribError::NotFinite { what: Readback::Param(scores.path().clone()) })
}

/// Writes sets of scores, each under a prefix of its own.
pub(crate) fn save(
    path: &Path,
    sets: &[(&str, &[ParamScores])],
    provenance: &Provenance,
) -> Result<(), AttribError> {
    let io = |source: io::Error| AttribError::Io { path: path.into(), source };
    let json = |value: serde_json::Result<String>| value.map_err(|e| io(e.into()));
    let all = || sets.iter().flat_map(|(prefix, set)| set.iter().map(move |own| (prefix, own)));
    let convention = all().next().ok_or(AttribError::Unlike)?.1.convention();
    let mut tensors = BTreeMap::new();
    for (prefix, own) in all() {
        refuse_nan(own)?;
        if own.convention() != convention {
            return Err(AttribError::Unlike);
        }
        tensors.insert(format!("{prefix}{}", own.path()), Stored(own, own.shape()));
    }
    let mut hash = Sha256::new();
    tensors.iter().for_each(|(name, own)| absorb(&mut hash, name, own.shape(), &own.data()));
    let metadata = HashMap::from([
        ("format".into(), FORMAT.into()),
        ("convention".into(), json(serde_json::to_string(&convention))?),
        ("provenance".into(), json(serde_json::to_string(provenance))?),
        ("sha256".into(), hex(hash)),
    ]);
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
    safetensors::serialize_to_file(tensors, Some(metadata), file.path()).map_err(|e| match e {
        SafeTensorError::IoError(source) => io(source),
        other => io(io::Error::other(other)),
    })?;
    file.as_file().sync_all().map_err(io)?;
    file.persist(path).map_err(|e| io(e.error))?;
    Ok(())
}

/// Reads sets of scores that were written under these prefixes.
pub(crate) fn load<const N: usize>(
    path: &Path,
    prefixes: [&str; N],
    dims: &ModelDims,
    fingerprint: Option<&str>,
) -> Result<([Vec<ParamScores>; N], Provenance), AttribError> {
    let bad = |reason: String| AttribError::NotScores { path: path.into(), reason };
    let bytes = std::fs::read(path).map_err(|source| AttribError::Io { path: path.into(), source })?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| bad(e.to_string()))?;
    let metadata = header.metadata().clone().unwrap_or_default();
    let entry = |key: &str| metadata.get(key).ok_or_else(|| bad(format!("it has no `{key}` entry")));
    if entry("format")? != FORMAT {
        return Err(bad(format!("its format is `{}`, not `{FORMAT}`", entry("format")?)));
    }
    let convention: Convention =
        serde_json::from_str(entry("convention")?).map_err(|e| bad(format!("`convention`: {e}")))?;
    let provenance: Provenance =
        serde_json::from_str(entry("provenance")?).map_err(|e| bad(format!("`provenance`: {e}")))?;
    if let (Some(expected), Some(found)) = (&provenance.model, fingerprint)
        && expected != found
    {
        return Err(AttribError::OtherModel { expected: expected.clone(), found: found.into() });
    }
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| bad(e.to_string()))?;
    let (mut hash, mut found) = (Sha256::new(), BTreeMap::new());
    for (name, view) in tensors.tensors().into_iter().collect::<BTreeMap<_, _>>() {
        absorb(&mut hash, &name, view.shape(), view.data());
        let [rows, columns] = *view.shape() else {
            return Err(bad(format!("{name} has {} axes instead of 2", view.shape().len())));
        };
        if view.dtype() != Dtype::F32 {
            return Err(bad(format!("{name} is {:?}, not F32", view.dtype())));
        }
        let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        found.insert(name, ([rows, columns], values.collect::<Vec<_>>()));
    }
    if hex(hash) != *entry("sha256")? {
        return Err(bad("its content does not match its own hash; it was damaged or edited".into()));
    }
    let mut sets = prefixes.map(|_| Vec::new());
    for (set, prefix) in sets.iter_mut().zip(prefixes) {
        for (matrix, _, projection) in dims.projections() {
            let Some((shape, values)) = found.remove(&format!("{prefix}{matrix}")) else { continue };
            if shape != dims.shape(projection) {
                return Err(AttribError::Shape {
                    path: matrix,
                    expected: dims.shape(projection),
                    found: shape,
                });
            }
            let own = ParamScores::new(matrix, shape, convention, values)?;
            refuse_nan(&own)?;
            set.push(own);
        }
    }
    match found.into_keys().next() {
        Some(name) => Err(bad(format!("{name} is not a matrix of the model"))),
        None => Ok((sets, provenance)),
    }
}
