use bias_core::ParamPath;
use burn::tensor::{Bool, Tensor, TensorData, backend::Backend};

use crate::{BitMatrix, Mask, MaskError};

/// A model whose weight matrices can be read and set: what a mask is applied to.
pub trait MaskTarget<B: Backend> {
    /// A weight matrix, `[out, in]`.
    ///
    /// # Errors
    /// [`MaskError::NoSuchParam`].
    fn weight(&self, path: &ParamPath) -> Result<Tensor<B, 2>, MaskError>;

    /// Replaces a weight matrix, `[out, in]`.
    ///
    /// # Errors
    /// [`MaskError::NoSuchParam`], [`MaskError::ShapeMismatch`].
    fn set_weight(&mut self, path: &ParamPath, value: Tensor<B, 2>) -> Result<(), MaskError>;

    /// SHA-256 of the weights as they were loaded, if they came from files.
    fn fingerprint(&self) -> Option<&str>;
}

/// What happens to the chosen weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Intervention {
    /// They become 0.
    Zero,
    /// They are multiplied by a factor.
    Scale(f32),
}

/// What an application overwrote. Give it back with [`revert`](Self::revert).
///
/// Holds the overwritten values only, in the type they are stored in.
#[derive(Debug)]
#[must_use = "without it the model cannot be restored"]
pub struct Undo {
    matrices: Vec<(ParamPath, BitMatrix, Vec<u8>)>,
}

impl Mask {
    /// Changes the chosen weights of a model. Applied as a whole or not at all.
    ///
    /// # Errors
    /// [`MaskError::OtherModel`] when the mask belongs to other weights;
    /// [`MaskError::NoSuchParam`], [`MaskError::ShapeMismatch`], [`MaskError::Factor`].
    pub fn apply<B: Backend>(
        &self,
        model: &mut impl MaskTarget<B>,
        intervention: Intervention,
    ) -> Result<Undo, MaskError> {
        self.check_fingerprint(model.fingerprint())?;
        if let Intervention::Scale(factor) = intervention
            && !factor.is_finite()
        {
            return Err(MaskError::Factor { factor });
        }
        let mut undo = Undo { matrices: Vec::new() };
        let mut changed = Vec::new();
        for (path, bits) in self.iter().filter(|(_, bits)| !bits.is_empty()) {
            let weight = model.weight(path)?;
            if weight.dims() != bits.shape() {
                return Err(MaskError::ShapeMismatch {
                    path: path.clone(),
                    expected: bits.shape(),
                    found: weight.dims(),
                });
            }
            let data = weight.to_data();
            let width = data.dtype.size();
            let old = bits.iter().flat_map(|i| data.as_bytes()[i * width..(i + 1) * width].iter().copied());
            undo.matrices.push((path.clone(), bits.clone(), old.collect()));
            let chosen = chosen::<B>(bits, &weight.device());
            changed.push(match intervention {
                Intervention::Zero => weight.mask_fill(chosen, 0.0),
                Intervention::Scale(factor) => weight.clone().mask_where(chosen, weight.mul_scalar(factor)),
            });
        }
        for ((path, ..), weight) in undo.matrices.iter().zip(changed) {
            model.set_weight(path, weight)?;
        }
        Ok(undo)
    }
}

impl Undo {
    /// Puts the overwritten weights back, bit for bit. Weights changed meanwhile
    /// elsewhere stay as they are; stacked masks are reverted last one first.
    ///
    /// # Errors
    /// [`MaskError::NoSuchParam`] when the model is not the one it came from.
    pub fn revert<B: Backend>(self, model: &mut impl MaskTarget<B>) -> Result<(), MaskError> {
        for (path, bits, old) in self.matrices {
            let weight = model.weight(&path)?;
            let device = weight.device();
            let data = weight.into_data();
            let width = data.dtype.size();
            if data.shape.as_slice() != bits.shape() || old.len() != bits.count() * width {
                return Err(MaskError::NoSuchParam { path });
            }
            let mut bytes = data.as_bytes().to_vec();
            for (i, value) in bits.iter().zip(old.chunks_exact(width)) {
                bytes[i * width..(i + 1) * width].copy_from_slice(value);
            }
            let dtype = data.dtype;
            let data = TensorData::from_bytes_vec(bytes, data.shape.clone(), dtype);
            model.set_weight(&path, Tensor::from_data(data, (&device, dtype)))?;
        }
        Ok(())
    }
}

fn chosen<B: Backend>(bits: &BitMatrix, device: &B::Device) -> Tensor<B, 2, Bool> {
    let mut flags = vec![false; bits.len()];
    bits.iter().for_each(|i| flags[i] = true);
    Tensor::from_data(TensorData::new(flags, bits.shape()), device)
}
