//! Mask files: safetensors, one packed `U8` tensor per matrix.
//!
//! Bits are row-major in `[out, in]` order, least significant first:
//! `numpy.unpackbits(t, bitorder="little")[:rows*cols].reshape(rows, cols)`.
//! The file's metadata hold, as JSON, `shapes`, `provenance`, the `model`'s
//! fingerprint and a `sha256` over names, shapes and bits.

use std::collections::BTreeMap;
use std::path::Path;

use bias_files::{Tensor, hex, save_tensors};
use bias_types::ParamPath;
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use sha2::{Digest as _, Sha256};

use super::bits::BitMatrix;
use super::set::Mask;
use crate::error::MaskError;

const FORMAT: &str = "bias-mask/1";

impl Mask {
    /// SHA-256 over the names, shapes and bits of all matrices with a chosen weight.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (path, bits) in self.iter().filter(|(_, bits)| !bits.is_empty()) {
            let name = path.as_str().as_bytes();
            for size in [name.len(), bits.rows(), bits.cols()] {
                hash.update((size as u64).to_le_bytes());
            }
            hash.update(name);
            hash.update(bits.to_packed());
        }
        hex(&hash.finalize())
    }

    /// Writes the mask to a file, by way of a temporary file beside it.
    ///
    /// # Errors
    /// [`MaskError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), MaskError> {
        let io = |source| MaskError::Io { path: path.into(), source };
        let shapes: BTreeMap<&str, [usize; 2]> =
            self.iter().map(|(path, bits)| (path.as_str(), bits.shape())).collect();
        let json = |value: serde_json::Result<String>| value.map_err(|e| io(e.into()));
        let mut metadata = BTreeMap::from([
            ("format".to_owned(), FORMAT.to_owned()),
            ("shapes".into(), json(serde_json::to_string(&shapes))?),
            ("provenance".into(), json(serde_json::to_string(self.provenance()))?),
            ("sha256".into(), self.digest()),
        ]);
        if let Some(fingerprint) = self.fingerprint() {
            metadata.insert("model".into(), fingerprint.into());
        }
        let tensors =
            self.iter().map(|(path, bits)| (path.to_string(), Tensor::u8(bits.to_packed())));
        save_tensors(path, tensors, &metadata).map_err(io)
    }

    /// Reads a mask file and checks it against its own hash.
    ///
    /// # Errors
    /// [`MaskError::Io`]; [`MaskError::NotAMask`] for anything but an undamaged mask file.
    pub fn load(path: &Path) -> Result<Self, MaskError> {
        let io = |source| MaskError::Io { path: path.into(), source };
        let bad = |reason: String| MaskError::NotAMask { path: path.into(), reason };
        let bytes = std::fs::read(path).map_err(io)?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| bad(e.to_string()))?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let entry =
            |key: &str| metadata.get(key).ok_or_else(|| bad(format!("it has no `{key}` entry")));
        if entry("format")? != FORMAT {
            return Err(bad(format!("its format is `{}`, not `{FORMAT}`", entry("format")?)));
        }
        let shapes: BTreeMap<String, [usize; 2]> =
            serde_json::from_str(entry("shapes")?).map_err(|e| bad(format!("`shapes`: {e}")))?;
        let provenance = serde_json::from_str(entry("provenance")?)
            .map_err(|e| bad(format!("`provenance`: {e}")))?;
        let mut mask = Self::default();
        let tensors = SafeTensors::deserialize(&bytes).map_err(|e| bad(e.to_string()))?;
        for (name, view) in tensors.tensors() {
            let shape = *shapes
                .get(&name)
                .ok_or_else(|| bad(format!("{name} has no entry in `shapes`")))?;
            let bits = (view.dtype() == Dtype::U8)
                .then(|| BitMatrix::from_packed(shape, view.data()))
                .flatten();
            let bits = bits.ok_or_else(|| {
                bad(format!(
                    "{name}: {:?} {:?} does not hold the bits of {shape:?}",
                    view.dtype(),
                    view.shape()
                ))
            })?;
            let path: ParamPath =
                name.parse().map_err(|e: bias_types::TypesError| bad(e.to_string()))?;
            mask.insert(path, bits)?;
        }
        if mask.digest() != *entry("sha256")? {
            return Err(bad(
                "its content does not match its own hash; it was damaged or edited".into()
            ));
        }
        mask = mask.for_model(metadata.get("model").map(String::as_str));
        Ok(mask.with_provenance(provenance))
    }
}
