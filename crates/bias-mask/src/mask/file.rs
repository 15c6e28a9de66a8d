//! Mask files: safetensors, one packed `U8` tensor per matrix.
//!
//! Bits are row-major in `[out, in]` order, least significant first:
//! `numpy.unpackbits(t, bitorder="little")[:rows*cols].reshape(rows, cols)`.
//! The file's metadata hold, as JSON, `shapes`, `provenance`, the `model`'s
//! fingerprint and a `sha256` over names, shapes and bits.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use bias_files::{header, hex, open_file, write_with};
use bias_types::ParamPath;
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use sha2::{Digest as _, Sha256};

use super::bits::BitMatrix;
use super::set::Mask;
use crate::error::MaskError;

const FORMAT: &str = "bias-mask/1";
/// The most bytes of a header. A mask of 70,000 matrices, as a large mixture of experts has, needs
/// 20 MiB.
const LONGEST_HEADER: u64 = 64 << 20;

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
            bits.packed().for_each(|piece| hash.update(piece));
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
        let mut matrices: Vec<(&str, &BitMatrix)> =
            self.iter().map(|(path, bits)| (path.as_str(), bits)).collect();
        matrices.sort_unstable_by_key(|(name, _)| *name);
        let mut end = 0;
        let infos = matrices.iter().map(|(name, bits)| {
            let data_offsets = (end, end + bits.packed_len());
            end = data_offsets.1;
            let info =
                TensorInfo { dtype: Dtype::U8, shape: vec![bits.packed_len()], data_offsets };
            ((*name).to_owned(), info)
        });
        let header = header(infos.collect(), &metadata).map_err(io)?;
        write_with(path, |file| {
            let mut file = BufWriter::new(file);
            file.write_all(&header)?;
            // Piece by piece: unpacked, a matrix can be far larger than the mask.
            let mut pieces = matrices.iter().flat_map(|(_, bits)| bits.packed());
            pieces.try_for_each(|piece| file.write_all(&piece))?;
            file.flush()
        })
        .map_err(io)
    }

    /// Reads a mask file and checks it against its own hash. It must be a mask for the weights with
    /// this fingerprint; `None` accepts a mask for any weights, also one that names none. A mask
    /// takes no more memory than the weights that it chooses, whatever the size of its file.
    ///
    /// # Errors
    /// [`MaskError::Io`], also for what is no file; [`MaskError::NotAMask`] for anything but an
    /// undamaged mask file; [`MaskError::OtherModel`]; [`MaskError::NoModel`].
    pub fn load(path: &Path, fingerprint: Option<&str>) -> Result<Self, MaskError> {
        let io = |source| MaskError::Io { path: path.into(), source };
        let bad = |reason: String| MaskError::NotAMask { path: path.into(), reason };
        let mut file = open_file(path).map_err(io)?;
        let (header, tensors) = read_header(&mut file, path)?;
        let metadata = tensors.metadata().clone().unwrap_or_default();
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
        for name in tensors.offset_keys() {
            let shape = *shapes
                .get(&name)
                .ok_or_else(|| bad(format!("{name} has no entry in `shapes`")))?;
            let info = tensors.info(&name).ok_or_else(|| bad(format!("{name} has no place")))?;
            let (from, to) = info.data_offsets;
            file.seek(SeekFrom::Start(header + from as u64)).map_err(io)?;
            let bits = match BitMatrix::new(shape) {
                Ok(none) if info.dtype == Dtype::U8 && none.packed_len() == to - from => {
                    none.filled(|piece| file.read_exact(piece)).map_err(io)?
                }
                _ => None,
            };
            let bits = bits.ok_or_else(|| {
                bad(format!(
                    "{name}: {:?} {:?} does not hold the bits of {shape:?}",
                    info.dtype, info.shape
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
        fingerprint.map_or(Ok(()), |own| mask.check_made_for(own))?;
        Ok(mask.with_provenance(provenance))
    }
}

/// The beginning of a safetensors file: how long it is, and where its tensors are. The file is
/// exactly as long as they need.
fn read_header(file: &mut File, path: &Path) -> Result<(u64, Metadata), MaskError> {
    let io = |source| MaskError::Io { path: path.into(), source };
    let bad = |reason: String| MaskError::NotAMask { path: path.into(), reason };
    let found = file.metadata().map_err(io)?.len();
    let mut len = [0; 8];
    file.read_exact(&mut len).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => bad("it is shorter than 8 bytes".into()),
        _ => io(error),
    })?;
    let len = u64::from_le_bytes(len);
    if len > found.saturating_sub(8).min(LONGEST_HEADER) {
        return Err(bad(format!("its header cannot have {len} bytes")));
    }
    let mut json = Vec::new();
    file.take(len).read_to_end(&mut json).map_err(io)?;
    let tensors: Metadata = serde_json::from_slice(&json).map_err(|e| bad(e.to_string()))?;
    let header = len + 8;
    match header.checked_add(tensors.data_len() as u64) == Some(found) {
        true => Ok((header, tensors)),
        false => Err(bad(format!("it has {found} bytes, which its tensors do not fill exactly"))),
    }
}
