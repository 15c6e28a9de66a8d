use bias_types::ParamPath;
use burn::tensor::{Tensor, TensorData, backend::Backend};

use super::target::MaskTarget;
use crate::error::MaskError;
use crate::mask::bits::BitMatrix;

/// The values that a change overwrote. [`revert`](Self::revert) puts them back.
///
/// For a masked matrix it holds the overwritten values and their places, for a matrix that
/// lost directions all values. It also holds the biases that changed. All are on the host, in the
/// type they are stored in.
#[derive(Debug, Default)]
#[must_use = "without it the model cannot be restored"]
pub struct Undo {
    overwritten: Vec<(ParamPath, Old)>,
}

#[derive(Debug)]
enum Old {
    /// Some values of a matrix, in the order of their bits.
    Values(BitMatrix, Vec<u8>),
    /// Weights that the model restores by itself.
    ZeroedInPlace(BitMatrix),
    Matrix(TensorData),
    Bias(Option<TensorData>),
}

impl Undo {
    /// Runs a change that records the values it overwrites, and takes it back if it fails half way.
    pub(crate) fn of<B: Backend, M: MaskTarget<B>>(
        model: &mut M,
        change: impl FnOnce(&mut M, &mut Self) -> Result<(), MaskError>,
    ) -> Result<Self, MaskError> {
        let mut undo = Self::default();
        match change(model, &mut undo) {
            Ok(()) => Ok(undo),
            Err(error) => Err(match undo.revert(model) {
                Ok(()) => error,
                Err(source) => {
                    MaskError::NotReverted { failed: Box::new(error), source: Box::new(source) }
                }
            }),
        }
    }

    /// Sets a matrix of which only the chosen values have changed.
    pub(crate) fn set_values<B: Backend>(
        &mut self,
        model: &mut impl MaskTarget<B>,
        path: &ParamPath,
        bits: &BitMatrix,
        (before, after): (&TensorData, Tensor<B, 2>),
    ) -> Result<(), MaskError> {
        model.set_weight(path, after)?;
        let width = before.dtype.size();
        let bytes = before.as_bytes();
        let old = bits.iter().flat_map(|i| bytes[i * width..(i + 1) * width].iter().copied());
        self.overwritten.push((path.clone(), Old::Values(bits.clone(), old.collect())));
        Ok(())
    }

    /// Zeroes weights that the model can restore by itself; `false` if it cannot.
    pub(crate) fn zero_in_place<B: Backend>(
        &mut self,
        model: &mut impl MaskTarget<B>,
        path: &ParamPath,
        bits: &BitMatrix,
    ) -> Result<bool, MaskError> {
        let zeroed = model.zero_in_place(path, bits)?;
        if zeroed {
            self.overwritten.push((path.clone(), Old::ZeroedInPlace(bits.clone())));
        }
        Ok(zeroed)
    }

    /// Sets a whole matrix.
    pub(crate) fn set_weight<B: Backend>(
        &mut self,
        model: &mut impl MaskTarget<B>,
        path: &ParamPath,
        after: Tensor<B, 2>,
    ) -> Result<(), MaskError> {
        let before = model.weight(path)?.into_data();
        model.set_weight(path, after)?;
        self.overwritten.push((path.clone(), Old::Matrix(before)));
        Ok(())
    }

    /// Sets a bias.
    pub(crate) fn set_bias<B: Backend>(
        &mut self,
        model: &mut impl MaskTarget<B>,
        path: &ParamPath,
        after: Tensor<B, 1>,
    ) -> Result<(), MaskError> {
        let before = model.bias(path)?.map(Tensor::into_data);
        model.set_bias(path, Some(after))?;
        self.overwritten.push((path.clone(), Old::Bias(before)));
        Ok(())
    }

    /// Bytes it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let of = |old: &Old| match old {
            Old::Values(bits, values) => bits.len().div_ceil(8) + values.len(),
            Old::ZeroedInPlace(bits) => bits.len().div_ceil(8),
            Old::Matrix(data) => data.as_bytes().len(),
            Old::Bias(data) => data.as_ref().map_or(0, |data| data.as_bytes().len()),
        };
        self.overwritten.iter().map(|(_, old)| of(old)).sum()
    }

    /// Puts the overwritten values back, bit for bit. Other weights stay as they are, even if they
    /// changed meanwhile. Revert overlapping changes last one first;
    /// [`Changes`](crate::edit::Changes) takes them off in any order.
    ///
    /// # Errors
    /// [`MaskError::NoSuchParam`] if the model is not the one that was changed.
    pub fn revert<B: Backend>(self, model: &mut impl MaskTarget<B>) -> Result<(), MaskError> {
        for (path, old) in self.overwritten.into_iter().rev() {
            match old {
                Old::Values(bits, old) => {
                    let weight = model.weight(&path)?;
                    let (device, data) = (weight.device(), weight.into_data());
                    let width = data.dtype.size();
                    if data.shape.as_slice() != bits.shape() || old.len() != bits.count() * width {
                        return Err(MaskError::NoSuchParam { path });
                    }
                    let mut bytes = data.as_bytes().to_vec();
                    for (i, value) in bits.iter().zip(old.chunks_exact(width)) {
                        bytes[i * width..(i + 1) * width].copy_from_slice(value);
                    }
                    let data = TensorData::from_bytes_vec(bytes, data.shape.clone(), data.dtype);
                    model.set_weight(&path, stored(data, &device))?;
                }
                Old::ZeroedInPlace(bits) => model.restore_zeroed(&path, &bits)?,
                Old::Matrix(data) => {
                    let device = model.weight(&path)?.device();
                    model.set_weight(&path, stored(data, &device))?;
                }
                Old::Bias(data) => {
                    let device = model.weight(&path)?.device();
                    model.set_bias(&path, data.map(|data| stored(data, &device)))?;
                }
            }
        }
        Ok(())
    }
}

/// A tensor of the type that its data have.
pub(crate) fn stored<B: Backend, const D: usize>(
    data: TensorData,
    device: &B::Device,
) -> Tensor<B, D> {
    let dtype = data.dtype;
    Tensor::from_data(data, (device, dtype))
}
