use bias_mask::BitMatrix;
use bias_probe::device::{Memory, compute_dtype, read_back};
use burn::module::{Module, Param};
use burn::tensor::{
    DType, Int, Tensor, TensorData,
    backend::{AutodiffBackend, Backend},
};

use super::params::{in_compute_dtype, param, untracked};
use crate::arch::piece::{Part, StoredRows};
use crate::checkpoint::convert;
use crate::checkpoint::located::Located;
use crate::checkpoint::precision::Precision;
use crate::checkpoint::weights::Checkpoint;
use crate::error::ModelError;

/// A matrix of weights: on the device, or in its file and read whenever it is used.
///
/// A linear map has the shape `[in, out]`. Its rows are contiguous or a little apart, which is
/// fastest for products. A table (an embedding) has the layout of the file.
#[derive(Module, Debug)]
pub(crate) struct Matrix<B: Backend> {
    held: Option<Param<Tensor<B, 2>>>,
    /// The number of columns in memory that are not part of the matrix.
    #[module(skip)]
    between: usize,
    /// Its place in the file, if it can be read again.
    #[module(skip)]
    file: Option<InFile>,
}

/// A matrix in a file.
#[derive(Debug, Clone)]
pub(crate) struct InFile {
    pub checkpoint: Checkpoint,
    pub stored: Stored,
    /// The weights that masks set to 0, in `[out, in]` order.
    pub zeroed: Vec<BitMatrix>,
}

/// What the file has of a matrix.
#[derive(Debug, Clone)]
pub(crate) enum Stored {
    /// A table, in the layout of the file.
    Table(Box<Located>),
    /// A linear map of this shape, `[out, in]`, in one part or several.
    Map([usize; 2], Vec<LocatedPart>),
}

/// A part of a linear map in a file.
#[derive(Debug, Clone)]
pub(crate) struct LocatedPart {
    pub at: Located,
    pub part: Part,
    /// Its first row and column in the map, `[out, in]`.
    pub first: [usize; 2],
}

/// The gap between rows of a power of two: one cache line. Without it, a column of such rows, which
/// the backward pass through a matrix follows, maps to few places of the cache, and products take
/// half as long again.
const BETWEEN: usize = 16;

/// Rows whose length is a multiple of this number count as such.
const ALIKE: usize = 512;

impl InFile {
    /// The shape of a linear map, `[out, in]`, or that of a table.
    fn shape(&self) -> [usize; 2] {
        match &self.stored {
            Stored::Table(at) => at.shape,
            Stored::Map(shape, _) => *shape,
        }
    }

    /// Reads it for use.
    fn read(&self) -> Result<TensorData, ModelError> {
        self.read_apart(0)
    }

    /// The same, with this number of extra values after each row of a linear map.
    fn read_apart(&self, between: usize) -> Result<TensorData, ModelError> {
        let (shape, parts) = match &self.stored {
            Stored::Table(at) => {
                let view = self.checkpoint.view(at)?;
                return self.checkpoint.read(at, convert::whole(&view, Precision::F32));
            }
            Stored::Map(shape, parts) => (*shape, parts),
        };
        let [out, inner] = shape;
        let row = out + between;
        let buffer = self.checkpoint.buffer(row * inner);
        let mut data = match &parts[..] {
            [only] => {
                let view = self.checkpoint.view(&only.at)?;
                let read = convert::turned_into(&view, &only.part, row, buffer);
                self.checkpoint.read(&only.at, read)?
            }
            _ => {
                let mut whole = buffer;
                whole.resize(row * inner, 0.0);
                self.of_parts(parts, |own, first, [out, inner]| {
                    for c in 0..inner {
                        let to = &mut whole[(first[1] + c) * row + first[0]..][..out];
                        to.copy_from_slice(&own[c * out..][..out]);
                    }
                })?;
                TensorData::new(whole, [inner, row])
            }
        };
        self.clear(&mut data, |i| i % inner * row + i / inner)?;
        Ok(data)
    }

    /// Hands out the values of each part, `[in, out]`, with the part's place and its shape.
    fn of_parts(
        &self,
        parts: &[LocatedPart],
        mut take: impl FnMut(&[f32], [usize; 2], [usize; 2]),
    ) -> Result<(), ModelError> {
        let mut buffer = Vec::new();
        for LocatedPart { at, part, first } in parts {
            let view = self.checkpoint.view(at)?;
            let read = convert::turned_into(&view, part, part.shape[0], buffer);
            let data = self.checkpoint.read(at, read)?;
            buffer = data.into_vec::<f32>().map_err(unreadable)?;
            take(&buffer, *first, part.shape);
        }
        Ok(())
    }

    /// A linear map as `[out, in]`, if its parts lie so. Buffers that passes left are let go of:
    /// those of a block of experts are larger than the map itself.
    fn rows(&self) -> Option<Result<TensorData, ModelError>> {
        let Stored::Map(shape, parts) = &self.stored else { return None };
        let as_here = parts.iter().all(|own| !own.part.transposed);
        as_here.then(|| {
            self.checkpoint.let_go();
            let mut data = self.rows_of(*shape, parts)?;
            self.clear(&mut data, |i| i)?;
            Ok(data)
        })
    }

    fn rows_of(
        &self,
        [out, inner]: [usize; 2],
        parts: &[LocatedPart],
    ) -> Result<TensorData, ModelError> {
        let read = |own: &LocatedPart| {
            let view = self.checkpoint.view(&own.at)?;
            self.checkpoint.read(&own.at, convert::rows(&view, &own.part, Precision::F32))
        };
        if let [only] = parts {
            return read(only);
        }
        let mut whole = vec![0f32; out * inner];
        for own in parts {
            let data = read(own)?;
            let values = data.as_slice::<f32>().map_err(unreadable)?;
            let ([rows, columns], [row, column]) = (own.part.shape, own.first);
            for r in 0..rows {
                let to = &mut whole[(row + r) * inner + column..][..columns];
                to.copy_from_slice(&values[r * columns..][..columns]);
            }
        }
        Ok(TensorData::new(whole, [out, inner]))
    }

    /// Zeroes the weights of the masks. `place` gives the position of a weight.
    fn clear(
        &self,
        data: &mut TensorData,
        place: impl Fn(usize) -> usize,
    ) -> Result<(), ModelError> {
        if self.zeroed.is_empty() {
            return Ok(());
        }
        let values = data.as_mut_slice::<f32>().map_err(unreadable)?;
        self.zeroed.iter().flat_map(BitMatrix::iter).for_each(|i| values[place(i)] = 0.0);
        Ok(())
    }
}

impl<B: Backend> Matrix<B> {
    pub(crate) fn held(weight: Param<Tensor<B, 2>>) -> Self {
        Self { held: Some(weight), between: 0, file: None }
    }

    pub(crate) fn in_file(file: InFile) -> Self {
        Self { held: None, between: 0, file: Some(file) }
    }

    /// Whether it is read whenever it is used.
    pub(crate) fn is_left(&self) -> bool {
        self.held.is_none()
    }

    /// Its parameter, if it is in memory.
    pub(crate) fn param(&self) -> Option<&Param<Tensor<B, 2>>> {
        self.held.as_ref()
    }

    /// `[in, out]` for a linear map; the stored shape for a table.
    pub(crate) fn shape(&self) -> [usize; 2] {
        match (&self.held, &self.file) {
            (Some(held), _) => {
                let [rows, columns] = held.val().dims();
                [rows, columns - self.between]
            }
            (None, Some(file)) => match (&file.stored, file.shape()) {
                (Stored::Map(..), [out, inner]) => [inner, out],
                (Stored::Table(_), shape) => shape,
            },
            (None, None) => [0; 2],
        }
    }

    /// The value in memory, or read in the computing type of the backend.
    pub(crate) fn value(&self, device: &B::Device) -> Result<Tensor<B, 2>, ModelError> {
        match (&self.held, &self.file) {
            (Some(held), _) if self.between > 0 => Ok(held.val().narrow(1, 0, self.shape()[1])),
            (Some(held), _) => Ok(held.val()),
            (None, Some(file)) => Ok(on_device(file.read()?, device)),
            (None, None) => Ok(Tensor::zeros([0, 0], device)),
        }
    }

    /// A linear map as `[out, in]`.
    pub(crate) fn turned_back(&self, device: &B::Device) -> Result<Tensor<B, 2>, ModelError> {
        let lies_so = match (&self.held, &self.file) {
            (None, Some(file)) => file.rows(),
            _ => None,
        };
        match lies_so {
            Some(data) => Ok(on_device(data?, device)),
            None => Ok(self.value(device)?.transpose()),
        }
    }

    /// Keeps it in memory from here on, with its present value.
    pub(crate) fn read(&self, device: &B::Device) -> Result<Self, ModelError> {
        let (None, Some(file)) = (&self.held, &self.file) else { return Ok(self.clone()) };
        let rows = match &file.stored {
            Stored::Map([out, _], _) => *out,
            Stored::Table(_) => 0,
        };
        // Elsewhere what is narrowed is copied.
        let apart =
            rows > 0 && rows.is_multiple_of(ALIKE) && Memory::of::<B>(device) == Memory::Strided;
        let between = if apart { BETWEEN } else { 0 };
        let held = untracked(on_device(file.read_apart(between)?, device));
        Ok(Self { held: Some(held), between, file: None })
    }

    /// The buffer that it was read to, if nothing else uses it.
    pub(crate) fn into_buffer(self) -> Option<Vec<f32>> {
        self.held?.into_value().into_data().into_vec::<f32>().ok()
    }

    /// Asks the system to read it ahead.
    pub(crate) fn ahead(&self) {
        if let (None, Some(file)) = (&self.held, &self.file) {
            match &file.stored {
                Stored::Table(at) => file.checkpoint.ahead(at),
                Stored::Map(_, parts) => parts.iter().for_each(|p| file.checkpoint.ahead(&p.at)),
            }
        }
    }

    /// Some rows of a table, in the computing type of the backend.
    pub(crate) fn lookup(
        &self,
        rows: &[usize],
        device: &B::Device,
    ) -> Result<Tensor<B, 2>, ModelError> {
        match (&self.held, &self.file) {
            (Some(held), _) => {
                let index: Vec<i32> =
                    rows.iter().map(|r| i32::try_from(*r).unwrap_or(i32::MAX)).collect();
                let index =
                    Tensor::<B, 1, Int>::from_data(TensorData::new(index, [rows.len()]), device);
                Ok(in_compute_dtype(held.val().select(0, index)))
            }
            (None, Some(InFile { checkpoint, stored: Stored::Table(at), .. })) => {
                let view = checkpoint.view(at)?;
                Ok(on_device(checkpoint.read(at, convert::lookup(&view, rows))?, device))
            }
            (None, _) => Ok(Tensor::zeros([0, 0], device)),
        }
    }

    /// Some columns of a linear map, `[in, len]`, in the computing type of the backend.
    pub(crate) fn columns(
        &self,
        from: usize,
        len: usize,
        device: &B::Device,
    ) -> Result<Tensor<B, 2>, ModelError> {
        let only = self.file.as_ref().and_then(|file| match &file.stored {
            Stored::Map(_, parts) if parts.len() == 1 => Some((&file.checkpoint, &parts[0])),
            _ => None,
        });
        let Some((checkpoint, LocatedPart { at, part, .. })) = only else {
            return Ok(in_compute_dtype(self.value(device)?.narrow(1, from, len)));
        };
        let place = StoredRows { first: part.place.first + from, ..part.place };
        let part = Part { place, shape: [len, part.shape[1]], ..*part };
        let view = checkpoint.view(at)?;
        let data = checkpoint.read(at, convert::turned(&view, &part, Precision::F32))?;
        Ok(on_device(data, device))
    }

    /// Some columns of a transposed table, `[channels, len]`.
    pub(crate) fn turned_columns(
        &self,
        from: usize,
        len: usize,
        device: &B::Device,
    ) -> Result<Tensor<B, 2>, ModelError> {
        if self.is_left() {
            let rows: Vec<usize> = (from..from + len).collect();
            return Ok(self.lookup(&rows, device)?.transpose());
        }
        Ok(in_compute_dtype(self.value(device)?.transpose().narrow(1, from, len)))
    }

    /// Sets a linear map, `[in, out]`. The file stays as it is.
    pub(crate) fn set(&mut self, value: Tensor<B, 2>) -> Result<(), ModelError> {
        if let Some(file) = &self.file {
            let as_before = file.read()?;
            // Restored: it need not be held.
            if value.to_data().as_bytes() == as_before.convert_dtype(value.dtype()).as_bytes() {
                self.held = None;
                return Ok(());
            }
        }
        (self.held, self.between) = (Some(Param::from_tensor(value)), 0);
        Ok(())
    }

    /// Sets some weights of a linear map to 0, `[out, in]`, while it is left in its file.
    pub(crate) fn zero_in_place(&mut self, bits: &BitMatrix) -> bool {
        match (&self.held, &mut self.file) {
            (None, Some(file)) => {
                file.zeroed.push(bits.clone());
                true
            }
            _ => false,
        }
    }

    /// Undoes such a change; `false` if it was never made. If other changes have put the matrix
    /// into memory meanwhile, only these weights get their value from the file back.
    pub(crate) fn restore_zeroed(&mut self, bits: &BitMatrix) -> Result<bool, ModelError> {
        let Some(file) = &mut self.file else { return Ok(false) };
        let Some(at) = file.zeroed.iter().rposition(|own| own == bits) else { return Ok(false) };
        file.zeroed.remove(at);
        let Some(held) = &self.held else { return Ok(true) };
        let tensor = held.val();
        let device = tensor.device();
        let (dtype, before) = (tensor.dtype(), file.read()?);
        let lost = |reason| ModelError::Readback { what: "weights", reason };
        let mut values = read_back(tensor).map_err(lost)?;
        let before = before.into_vec::<f32>().map_err(unreadable)?;
        let [out, inner] = file.shape();
        for i in bits.iter() {
            let place = i % inner * out + i / inner;
            values[place] = before[place];
        }
        let values = TensorData::new(values, [inner, out]).convert_dtype(dtype);
        self.set(Tensor::from_data(values, (&device, dtype)))?;
        Ok(true)
    }

    /// Moves it to a backend that tracks gradients. A matrix in a file is not tracked.
    pub(crate) fn on_graph<A: AutodiffBackend<InnerBackend = B>>(
        &self,
        how: impl FnOnce(&Param<Tensor<B, 2>>) -> Param<Tensor<A, 2>>,
    ) -> Matrix<A> {
        Matrix { held: self.held.as_ref().map(how), between: self.between, file: self.file.clone() }
    }
}

fn unreadable(error: impl std::fmt::Debug) -> ModelError {
    ModelError::Readback { what: "weights", reason: format!("{error:?}") }
}

/// Converts it to the computing type of the device.
fn on_device<B: Backend>(data: TensorData, device: &B::Device) -> Tensor<B, 2> {
    let own = compute_dtype::<B>(device);
    Tensor::from_data(data.convert_dtype(own), (device, own))
}

/// A matrix that was not found during loading. It is left empty, and the load report ends the load.
pub(crate) fn present<B: Backend, const D: usize>(
    data: Option<TensorData>,
    device: &B::Device,
) -> Param<Tensor<B, D>> {
    let data = data.unwrap_or_else(|| TensorData::new(Vec::<f32>::new(), [0; D]));
    // Only what is narrower than what is computed in is kept as it is.
    let own = compute_dtype::<B>(device);
    let narrow = data.dtype != DType::F32 && data.dtype.size() < own.size();
    param(if narrow { data } else { data.convert_dtype(own) }, device)
}
