use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use crate::numbers::{f32_bytes, f64_bytes};
use crate::whole::write_with;

/// A tensor to be written to a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor<'a> {
    dtype: Dtype,
    shape: Vec<usize>,
    data: Cow<'a, [u8]>,
}

impl<'a> Tensor<'a> {
    /// A tensor of f32 values, row-major.
    #[must_use]
    pub fn f32(shape: Vec<usize>, values: &'a [f32]) -> Self {
        Self { dtype: Dtype::F32, shape, data: f32_bytes(values) }
    }

    /// A tensor of f64 values, row-major.
    #[must_use]
    pub fn f64(shape: Vec<usize>, values: &'a [f64]) -> Self {
        Self { dtype: Dtype::F64, shape, data: f64_bytes(values) }
    }

    /// A vector of bytes.
    #[must_use]
    pub fn u8(data: impl Into<Cow<'a, [u8]>>) -> Self {
        let data = data.into();
        Self { dtype: Dtype::U8, shape: vec![data.len()], data }
    }

    /// Its shape.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its values as the bytes in the file.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }
}

/// Writes tensors as safetensors, whole or not at all. The same tensors and metadata give the same
/// bytes each time: tensors are sorted by the size of their type and then by name, metadata by key.
///
/// # Errors
/// As [`write_with`](crate::write_with) and [`header`]; values that do not fill their shape.
pub fn save_tensors<'a>(
    path: &Path,
    tensors: impl IntoIterator<Item = (String, Tensor<'a>)>,
    metadata: &BTreeMap<String, String>,
) -> io::Result<()> {
    let mut tensors: Vec<(String, Tensor<'a>)> = tensors.into_iter().collect();
    tensors.sort_by(|(a, left), (b, right)| right.dtype.cmp(&left.dtype).then_with(|| a.cmp(b)));
    let mut end = 0;
    let infos = tensors.iter().map(|(name, own)| {
        let data_offsets = (end, end + own.data.len());
        end = data_offsets.1;
        (name.clone(), TensorInfo { dtype: own.dtype, shape: own.shape.clone(), data_offsets })
    });
    let header = header(infos.collect(), metadata)?;
    write_with(path, |file| {
        let mut file = BufWriter::new(file);
        file.write_all(&header)?;
        tensors.iter().try_for_each(|(_, own)| file.write_all(&own.data))?;
        file.flush()
    })
}

/// The beginning of a safetensors file, up to its data: the length, then the tensors in the order
/// of their data, and the metadata in the order of their keys. (The safetensors crate writes
/// metadata in any order.)
///
/// # Errors
/// Tensors that do not follow each other or do not fill their shapes; a header longer than the
/// format allows.
pub fn header(
    tensors: Vec<(String, TensorInfo)>,
    metadata: &BTreeMap<String, String>,
) -> io::Result<Vec<u8>> {
    /// The longest header that the safetensors crate reads.
    const LONGEST: usize = 100_000_000;
    let none = tensors.is_empty();
    let tensors = serde_json::to_string(&Metadata::new(None, tensors).map_err(io::Error::other)?)?;
    let mut json = if metadata.is_empty() {
        tensors
    } else {
        let between = if none { "" } else { "," };
        format!("{{\"__metadata__\":{}{between}{}", serde_json::to_string(metadata)?, &tensors[1..])
    };
    json.extend(std::iter::repeat_n(' ', json.len().next_multiple_of(8) - json.len()));
    if json.len() > LONGEST {
        let reason = format!(
            "a header of {} bytes is longer than safetensors allows ({LONGEST})",
            json.len()
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
    bytes.extend(json.into_bytes());
    Ok(bytes)
}
