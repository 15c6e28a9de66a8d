//! Score files: one tensor `[out, in]` per matrix under its Hugging Face name, with the prefixes
//! `a/` and `b/` for groups. The metadata also hold the `convention`.

use std::path::Path;

use bias_types::{Convention, ModelDims, ParamScores};

use super::provenance::ScoreProvenance;
use super::tensor_file::{Stored, most_bytes, read, write};
use crate::error::AttribError;

const FORMAT: &str = "bias-scores/1";

/// Writes scores of a model's matrices as safetensors, by way of a temporary file.
///
/// # Errors
/// [`AttribError::NotFinite`] for scores that are NaN or infinite, [`AttribError::Unlike`]
/// for scores of different conventions or none, [`AttribError::Io`].
pub fn save_scores(
    path: &Path,
    scores: &[ParamScores],
    provenance: &ScoreProvenance,
) -> Result<(), AttribError> {
    save(path, &[("", scores)], provenance)
}

/// Reads scores back, layer by layer. They must be those of a model with these sizes and this
/// fingerprint. `None` accepts scores of any weights, also from a file that names none.
///
/// # Errors
/// [`AttribError::Io`], also for a file larger than the model's scores can be;
/// [`AttribError::NotScores`] for anything but an undamaged score file of the model's matrices;
/// [`AttribError::OtherModel`]; [`AttribError::NoModel`] for a file that does not say which weights
/// its scores are for; [`AttribError::Shape`]; [`AttribError::NotFinite`].
pub fn load_scores(
    path: &Path,
    dims: &ModelDims,
    fingerprint: Option<&str>,
) -> Result<(Vec<ParamScores>, ScoreProvenance), AttribError> {
    let ([scores], provenance) = load(path, [""], dims, fingerprint)?;
    Ok((scores, provenance))
}

/// Writes sets of scores, each under a prefix of its own.
pub(crate) fn save(
    path: &Path,
    sets: &[(&str, &[ParamScores])],
    provenance: &ScoreProvenance,
) -> Result<(), AttribError> {
    let all = || sets.iter().flat_map(|(prefix, set)| set.iter().map(move |own| (prefix, own)));
    let convention = all().next().ok_or(AttribError::Unlike)?.1.convention();
    if all().any(|(_, own)| own.convention() != convention) {
        return Err(AttribError::Unlike);
    }
    let tensors = all().map(|(prefix, own)| {
        (
            format!("{prefix}{}", own.path()),
            Stored { shape: own.shape().to_vec(), values: own.values() },
        )
    });
    let word = serde_json::to_string(&convention)
        .map_err(|e| AttribError::Io { path: path.into(), source: e.into() })?;
    let entries = [("convention", word.trim_matches('"').into())];
    write(path, FORMAT, tensors.collect(), provenance, &entries)
}

/// Reads sets of scores that were written under these prefixes.
pub(crate) fn load<const N: usize>(
    path: &Path,
    prefixes: [&str; N],
    dims: &ModelDims,
    fingerprint: Option<&str>,
) -> Result<([Vec<ParamScores>; N], ScoreProvenance), AttribError> {
    let mut contents = read(path, FORMAT, fingerprint, most_bytes(dims, N as u64))?;
    let convention = contents.entry(path, "convention")?.into();
    let convention: Convention =
        serde_json::from_value(serde_json::Value::String(convention)).map_err(|e| {
            AttribError::NotScores { path: path.into(), reason: format!("`convention`: {e}") }
        })?;
    let mut sets = prefixes.map(|_| Vec::new());
    for (set, prefix) in sets.iter_mut().zip(prefixes) {
        for (matrix, _, projection) in dims.projections() {
            let Some((found, values)) = contents.tensors.remove(&format!("{prefix}{matrix}"))
            else {
                continue;
            };
            let shape = dims.shape(projection);
            if found != shape {
                return Err(AttribError::Shape {
                    what: matrix.to_string(),
                    expected: shape.to_vec(),
                    found,
                });
            }
            set.push(ParamScores::new(matrix, shape, convention, values)?);
        }
    }
    Ok((sets, contents.finish(path)?))
}
