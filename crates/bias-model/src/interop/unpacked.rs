//! Weights that are stored in another form than transformers writes, written as it writes them.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::ops::Range;
use std::path::Path;

use bias_files::{f32_bytes, header};
use bias_mask::{BitMatrix, Mask};
use half::bf16;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorInfo};

use super::weights_file::{framework, masked};
use crate::checkpoint::view::{Kind, Other, View};
use crate::checkpoint::{convert, mapped};
use crate::error::ModelError;

/// The number of values that are dequantized at a time.
const AT_ONCE: usize = 1 << 22;

/// A tensor by its name in the folder that is written.
pub(crate) struct Stored<'a> {
    pub name: String,
    /// The file that it is in.
    pub path: &'a Path,
    pub view: View<'a>,
    /// It is written in f32, even where it is stored as a narrower float.
    pub f32: bool,
}

impl Stored<'_> {
    /// The type that it is written in: its own, or the narrower of bf16 and f32 that holds every
    /// value.
    fn dtype(&self) -> Dtype {
        if !self.is_copied() {
            return if self.view.fits_bf16() { Dtype::BF16 } else { Dtype::F32 };
        }
        match self.view.kind {
            Kind::F16 => Dtype::F16,
            Kind::BF16 => Dtype::BF16,
            Kind::Other(Other::Safetensors(dtype)) => dtype,
            _ => Dtype::F32,
        }
    }

    /// Whether its values are computed, and written in f32.
    pub(super) fn is_widened(&self) -> bool {
        !self.is_copied() && self.dtype() == Dtype::F32
    }

    /// Whether its bytes are copied.
    fn is_copied(&self) -> bool {
        let as_it_is = !self.f32 || self.view.kind == Kind::F32;
        as_it_is && !self.view.is_computed() && !self.view.is_twisted()
    }

    /// The shape that it is written in.
    fn shape(&self) -> Vec<usize> {
        let mut shape = self.view.shape.clone();
        if self.view.turned().is_some() {
            shape.swap(1, 2);
        }
        shape
    }

    /// Some rows as bytes, zero where the bits say so.
    fn bytes(
        &self,
        bits: Option<&BitMatrix>,
        rows: Range<usize>,
    ) -> Result<Cow<'_, [u8]>, ModelError> {
        let [count, inner] = self.view.as_matrix();
        let first = rows.start * inner;
        let values = rows.len() * inner;
        let mut bytes = if self.is_copied() {
            let width = self.view.data.len() / count.max(1);
            Cow::Borrowed(&self.view.data[rows.start * width..rows.end * width])
        } else {
            let values = convert::as_named(&self.view, rows);
            let values = values.map_err(|error| error.of(self.path, &self.name))?;
            match self.dtype() {
                Dtype::BF16 => {
                    let own = |value: &f32| bf16::from_f32(*value).to_le_bytes();
                    Cow::Owned(values.iter().flat_map(own).collect())
                }
                _ => Cow::Owned(f32_bytes(&values).into_owned()),
            }
        };
        if let Some(bits) = bits {
            let width = bytes.len() / values.max(1);
            let own = bits.iter_within(first..first + values).map(|at| at - first);
            own.for_each(|at| bytes.to_mut()[at * width..][..width].fill(0));
        }
        if self.view.turned().is_some() {
            let (rows, width) = (values / inner.max(1), bytes.len() / values.max(1));
            let turned = (0..inner).flat_map(|c| (0..rows).map(move |r| r * inner + c));
            let turned = turned.flat_map(|at| bytes[at * width..][..width].iter().copied());
            bytes = Cow::Owned(turned.collect());
        }
        Ok(bytes)
    }

    /// The pieces of it, in order.
    fn pieces(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let [rows, inner] = self.view.as_matrix();
        // A matrix that is turned is taken whole.
        let step = self.view.turned().unwrap_or((AT_ONCE / inner.max(1)).max(1));
        (0..rows).step_by(step).map(move |from| from..rows.min(from + step))
    }
}

/// Writes tensors to a file, with zeros where the mask says so.
pub(super) fn write(tensors: &[Stored<'_>], mask: &Mask, path: &Path) -> Result<(), ModelError> {
    let mut end = 0usize;
    let infos = tensors.iter().map(|own| {
        let (dtype, shape) = (own.dtype(), own.shape());
        let len = match own.is_copied() {
            true => own.view.data.len(),
            false => shape.iter().product::<usize>() * dtype.bitsize() / 8,
        };
        let data_offsets = (end, end + len);
        end += len;
        (own.name.clone(), TensorInfo { dtype, shape, data_offsets })
    });
    let written = |source| ModelError::Write { path: path.into(), source };
    let header = header(infos.collect(), &framework()).map_err(written)?;
    let mut file = BufWriter::new(File::create(path).map_err(written)?);
    file.write_all(&header).map_err(written)?;
    for own in tensors {
        let bits = masked(mask, &own.name).map(|(_, bits)| bits);
        for rows in own.pieces() {
            file.write_all(&own.bytes(bits, rows)?).map_err(written)?;
        }
    }
    file.flush().map_err(written)
}

/// Reads a file back and compares it with what was to be written.
pub(super) fn compare(tensors: &[Stored<'_>], mask: &Mask, path: &Path) -> Result<(), ModelError> {
    let differs =
        |tensor: &str| ModelError::ExportDiffers { path: path.into(), tensor: tensor.into() };
    let map = mapped::once(path)?;
    let back = SafeTensors::deserialize(&map)
        .map_err(|source| ModelError::Weights { path: path.into(), source: source.into() })?;
    for own in tensors {
        let (mut at, bits) = (0, masked(mask, &own.name).map(|(_, bits)| bits));
        let tensor = back.tensor(&own.name).map_err(|_| differs(&own.name))?;
        for rows in own.pieces() {
            let bytes = own.bytes(bits, rows)?;
            if tensor.data().get(at..at + bytes.len()) != Some(&*bytes) {
                return Err(differs(&own.name));
            }
            at += bytes.len();
        }
        if at != tensor.data().len() || tensor.shape() != own.shape() {
            return Err(differs(&own.name));
        }
    }
    Ok(())
}
