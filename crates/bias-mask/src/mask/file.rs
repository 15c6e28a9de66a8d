//! Mask files: safetensors, one packed `U8` tensor per matrix.
//!
//! Bits are row-major in `[out, in]` order, least significant first:
//! `numpy.unpackbits(t, bitorder="little")[:rows*cols].reshape(rows, cols)`.
//! The file's metadata hold, as JSON, `shapes`, `provenance`, the `model`'s
//! fingerprint and a `sha256` over names, shapes and bits.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use bias_types::ParamPath;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
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
        hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Writes the mask to a file, by way of a temporary one beside it.
    ///
    /// # Errors
    /// [`MaskError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), MaskError> {
        let io = |source| MaskError::Io { path: path.into(), source };
        let packed: Vec<(&ParamPath, &BitMatrix, Vec<u8>)> =
            self.iter().map(|(path, bits)| (path, bits, bits.to_packed())).collect();
        let views = packed
            .iter()
            .map(|(path, _, data)| Ok((path.as_str(), TensorView::new(Dtype::U8, vec![data.len()], data)?)))
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
            .map_err(|e| io(std::io::Error::other(e)))?;
        let shapes: BTreeMap<&str, [usize; 2]> =
            packed.iter().map(|(path, bits, _)| (path.as_str(), bits.shape())).collect();
        let json = |value: serde_json::Result<String>| value.map_err(|e| io(e.into()));
        let mut metadata: HashMap<String, String> = [
            ("format".into(), FORMAT.into()),
            ("shapes".into(), json(serde_json::to_string(&shapes))?),
            ("provenance".into(), json(serde_json::to_string(self.provenance()))?),
            ("sha256".into(), self.digest()),
        ]
        .into();
        if let Some(fingerprint) = self.fingerprint() {
            metadata.insert("model".into(), fingerprint.into());
        }
        let mut bytes =
            safetensors::serialize(views, Some(metadata)).map_err(|e| io(std::io::Error::other(e)))?;
        sort_header(&mut bytes).map_err(|e| io(e.into()))?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".unfinished-");
        #[cfg(unix)]
        {
            // Masks are for whoever may read the folder; temporary files are for their owner alone.
            use std::os::unix::fs::PermissionsExt as _;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let mut file = builder.tempfile_in(folder).map_err(io)?;
        file.write_all(&bytes).and_then(|()| file.as_file().sync_all()).map_err(io)?;
        file.persist(path).map_err(|e| io(e.error))?;
        Ok(())
    }

    /// Reads a mask file and checks it against its own hash.
    ///
    /// # Errors
    /// [`MaskError::Io`]; [`MaskError::NotAMask`] for anything but an undamaged mask file.
    pub fn load(path: &Path) -> Result<Self, MaskError> {
        let io = |source| MaskError::Io { path: path.into(), source };
        let bad = |reason: String| MaskError::NotAMask { path: path.into(), reason };
        let mut bytes = Vec::new();
        File::open(path).map_err(io)?.read_to_end(&mut bytes).map_err(io)?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| bad(e.to_string()))?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let entry = |key: &str| metadata.get(key).ok_or_else(|| bad(format!("it has no `{key}` entry")));
        if entry("format")? != FORMAT {
            return Err(bad(format!("its format is `{}`, not `{FORMAT}`", entry("format")?)));
        }
        let shapes: BTreeMap<String, [usize; 2]> =
            serde_json::from_str(entry("shapes")?).map_err(|e| bad(format!("`shapes`: {e}")))?;
        let provenance =
            serde_json::from_str(entry("provenance")?).map_err(|e| bad(format!("`provenance`: {e}")))?;
        let mut mask = Self::default();
        let tensors = SafeTensors::deserialize(&bytes).map_err(|e| bad(e.to_string()))?;
        for (name, view) in tensors.tensors() {
            let shape = *shapes.get(&name).ok_or_else(|| bad(format!("{name} has no entry in `shapes`")))?;
            let bits =
                (view.dtype() == Dtype::U8).then(|| BitMatrix::from_packed(shape, view.data())).flatten();
            let bits = bits.ok_or_else(|| {
                bad(format!(
                    "{name}: {:?} {:?} does not hold the bits of {shape:?}",
                    view.dtype(),
                    view.shape()
                ))
            })?;
            let path: ParamPath = name.parse().map_err(|e: bias_types::TypesError| bad(e.to_string()))?;
            mask.insert(path, bits)?;
        }
        if mask.digest() != *entry("sha256")? {
            return Err(bad("its content does not match its own hash; it was damaged or edited".into()));
        }
        mask = mask.for_model(metadata.get("model").map(String::as_str));
        Ok(mask.with_provenance(provenance))
    }
}

/// Puts a file's header into one order: safetensors writes metadata in any.
fn sort_header(bytes: &mut [u8]) -> serde_json::Result<()> {
    let (size, rest) = bytes.split_at_mut(8);
    let size = size.iter().rev().fold(0, |size, byte| size << 8 | usize::from(*byte));
    let Some(header) = rest.get_mut(..size) else { return Ok(()) };
    let sorted: BTreeMap<String, BTreeMap<String, serde_json::Value>> = serde_json::from_slice(header)?;
    let sorted = serde_json::to_vec(&sorted)?;
    // The same entries take the same room; what is left of it are spaces, as before.
    if let Some(room) = header.get_mut(..sorted.len()) {
        room.copy_from_slice(&sorted);
    }
    Ok(())
}
