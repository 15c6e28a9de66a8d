use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use crate::numbers::{f32_bytes, f64_bytes};
use crate::whole::write_with;

/// A tensor on its way into a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor<'a> {
    dtype: Dtype,
    shape: Vec<usize>,
    data: Cow<'a, [u8]>,
}

impl<'a> Tensor<'a> {
    /// Of f32, row-major.
    #[must_use]
    pub fn f32(shape: Vec<usize>, values: &'a [f32]) -> Self {
        Self { dtype: Dtype::F32, shape, data: f32_bytes(values) }
    }

    /// Of f64, row-major.
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

    /// Its values as they lie in the file.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }
}

/// Writes tensors as safetensors, whole or not at all. The same tensors and metadata are the same
/// bytes each time: the order of both is that of their names, that of the type's size before it.
///
/// # Errors
/// As [`write_with`](crate::write_with) and [`header`]; values that do not fill a shape.
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

/// How a safetensors file begins, up to its data: the length, then tensors in the order of their
/// data and metadata in that of their keys (the format's own crate writes them in any).
///
/// # Errors
/// Tensors that do not lie one after the other or do not fill their shapes; a header that the
/// format does not allow to be so long.
pub fn header(
    tensors: Vec<(String, TensorInfo)>,
    metadata: &BTreeMap<String, String>,
) -> io::Result<Vec<u8>> {
    /// What the format's own crate reads.
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
