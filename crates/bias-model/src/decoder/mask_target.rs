use bias_mask::{BitMatrix, MaskError, MaskTarget};
use bias_types::ParamPath;
use burn::module::Param;
use burn::tensor::{Tensor, backend::Backend};

use super::model::Decoder;
use crate::error::ModelError;

impl<B: Backend> MaskTarget<B> for Decoder<B> {
    fn set_weight(&mut self, path: &ParamPath, value: Tensor<B, 2>) -> Result<(), MaskError> {
        let matrix = &mut self.linear_mut(path)?.weight;
        let [inner, out] = matrix.shape();
        if value.dims() != [out, inner] {
            return Err(MaskError::ShapeMismatch {
                path: path.clone(),
                expected: [out, inner],
                found: value.dims(),
            });
        }
        // The detour over one axis makes the transposed view contiguous, which products run faster
        // on.
        let contiguous = value.transpose().detach().reshape([inner * out]).reshape([inner, out]);
        matrix.set(contiguous).map_err(|error| unreadable(path, error))
    }

    fn zero_in_place(&mut self, path: &ParamPath, bits: &BitMatrix) -> Result<bool, MaskError> {
        let matrix = &mut self.linear_mut(path)?.weight;
        let [inner, out] = matrix.shape();
        if bits.shape() != [out, inner] {
            let (expected, found) = (bits.shape(), [out, inner]);
            return Err(MaskError::ShapeMismatch { path: path.clone(), expected, found });
        }
        Ok(matrix.zero_in_place(bits))
    }

    fn restore_zeroed(&mut self, path: &ParamPath, bits: &BitMatrix) -> Result<(), MaskError> {
        let undone = self
            .linear_mut(path)?
            .weight
            .restore_zeroed(bits)
            .map_err(|error| unreadable(path, error))?;
        if undone { Ok(()) } else { Err(MaskError::NoSuchParam { path: path.clone() }) }
    }

    fn bias(&self, path: &ParamPath) -> Result<Option<Tensor<B, 1>>, MaskError> {
        let linear =
            self.linear(path).ok_or_else(|| MaskError::NoSuchParam { path: path.clone() })?;
        Ok(linear.bias.as_ref().map(Param::val))
    }

    fn set_bias(&mut self, path: &ParamPath, value: Option<Tensor<B, 1>>) -> Result<(), MaskError> {
        let linear = self.linear_mut(path)?;
        let [_, expected] = linear.weight.shape();
        if let Some(found) =
            value.as_ref().map(|bias| bias.dims()[0]).filter(|found| *found != expected)
        {
            return Err(MaskError::Channels { path: path.clone(), expected, found });
        }
        linear.bias = value.map(|bias| Param::from_tensor(bias.detach()));
        Ok(())
    }
}

fn unreadable(path: &ParamPath, error: ModelError) -> MaskError {
    MaskError::Weights { path: path.clone(), source: Box::new(error) }
}
