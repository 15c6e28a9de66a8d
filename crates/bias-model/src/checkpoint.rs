use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use memmap2::Mmap;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::config::read_json;
use crate::{ModelError, mapped};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// The weights of a model folder, mapped: one `model.safetensors`, or the shards
/// that `model.safetensors.index.json` names.
#[derive(Debug)]
pub struct Checkpoint {
    folder: PathBuf,
    shards: Vec<(PathBuf, Mmap)>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Checkpoint {
    /// Maps the weights of a folder. Nothing is copied yet.
    ///
    /// # Errors
    /// Missing, truncated or damaged files, and an index that names a file outside the folder.
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        let index = folder.join(INDEX);
        let files: BTreeSet<PathBuf> = if !folder.join(SINGLE).exists() && index.exists() {
            let Index { weight_map } = read_json(&index)?;
            let inside = |(tensor, file): (String, String)| {
                let plain = Path::new(&file).file_name().is_some_and(|n| n == file.as_str());
                if plain && !file.contains('\\') {
                    Ok(folder.join(&file))
                } else {
                    Err(ModelError::EscapingShard { path: index.clone(), tensor, file })
                }
            };
            weight_map.into_iter().map(inside).collect::<Result<_, _>>()?
        } else {
            [folder.join(SINGLE)].into()
        };
        let mut shards = Vec::with_capacity(files.len());
        for path in files {
            let map = mapped::map(&path)?;
            parse(&path, &map)?;
            shards.push((path, map));
        }
        Ok(Self { folder: folder.into(), shards })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The weight files, in name order.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.shards.iter().map(|(path, _)| path.as_path())
    }

    pub(crate) fn shards(&self) -> impl Iterator<Item = (&Path, &[u8])> {
        self.shards.iter().map(|(path, map)| (path.as_path(), &map[..]))
    }

    /// SHA-256 over all weight files: what masks and results name the model by.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for (_, map) in &self.shards {
            hash.update((map.len() as u64).to_le_bytes());
            hash.update(&map[..]);
        }
        hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Starts taking tensors out of it by name.
    ///
    /// # Errors
    /// A damaged file.
    pub(crate) fn tensors(&self) -> Result<Tensors<'_>, ModelError> {
        let mut found = BTreeMap::new();
        for (path, map) in &self.shards {
            for (name, view) in parse(path, map)?.tensors() {
                found.insert(name, (path.as_path(), view));
            }
        }
        Ok(Tensors { folder: &self.folder, found, report: LoadReport::default() })
    }
}

fn parse<'a>(path: &Path, map: &'a Mmap) -> Result<SafeTensors<'a>, ModelError> {
    SafeTensors::deserialize(map).map_err(|source| ModelError::Weights { path: path.into(), source })
}

/// All that did not fit between a config and its weights.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Tensors the model needs and the files do not hold.
    pub missing: Vec<String>,
    /// Tensors the files hold and the model has no use for.
    pub unused: Vec<String>,
    /// Tensors of another shape or type than the config calls for: name, what was needed, what was found.
    pub mismatched: Vec<(String, String, String)>,
}

impl LoadReport {
    fn is_clean(&self) -> bool {
        self.missing.is_empty() && self.unused.is_empty() && self.mismatched.is_empty()
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        for (title, names) in [("missing", &self.missing), ("unused", &self.unused)] {
            if !names.is_empty() {
                write!(f, "  {} {title}: {}", names.len(), names[..names.len().min(SHOWN)].join(", "))?;
                writeln!(f, "{}", if names.len() > SHOWN { ", …" } else { "" })?;
            }
        }
        for (name, expected, found) in self.mismatched.iter().take(SHOWN) {
            writeln!(f, "  {name}: expected {expected}, found {found}")?;
        }
        if self.mismatched.len() > SHOWN {
            writeln!(f, "  … and {} more of another shape or type", self.mismatched.len() - SHOWN)?;
        }
        Ok(())
    }
}

/// Tensors taken out one by one; what does not fit is collected for one report.
pub(crate) struct Tensors<'a> {
    folder: &'a Path,
    found: BTreeMap<String, (&'a Path, TensorView<'a>)>,
    report: LoadReport,
}

impl Tensors<'_> {
    /// Takes a tensor of this shape as f32, row-major; empty if it is not there or does
    /// not fit, which [`finish`](Self::finish) will report.
    pub(crate) fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let Some((path, view)) = self.found.remove(name) else {
            self.report.missing.push(name.into());
            return Ok(Vec::new());
        };
        let values = (view.shape() == shape).then(|| widen(&view)).flatten();
        let Some(values) = values else {
            let found = format!("{:?} {:?}", view.dtype(), view.shape());
            self.report.mismatched.push((name.into(), format!("F32, BF16 or F16 {shape:?}"), found));
            return Ok(Vec::new());
        };
        if values.iter().any(|v| !v.is_finite()) {
            return Err(ModelError::NotFinite { path: path.into(), tensor: name.into() });
        }
        Ok(values)
    }

    /// Drops tensors that some exporters write and that carry no information.
    pub(crate) fn ignore(&mut self, redundant: impl Fn(&str) -> bool) {
        self.found.retain(|name, _| !redundant(name));
    }

    /// Fails with everything that is missing, unused or mismatched.
    pub(crate) fn finish(mut self) -> Result<(), ModelError> {
        self.report.unused = self.found.into_keys().collect();
        if self.report.is_clean() {
            return Ok(());
        }
        Err(ModelError::Mismatch { folder: self.folder.into(), report: Box::new(self.report) })
    }
}

fn widen(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let data = view.data();
    Some(match view.dtype() {
        Dtype::F32 => data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        Dtype::BF16 => data.chunks_exact(2).map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
        Dtype::F16 => data.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
        _ => return None,
    })
}
