use burn::tensor::{Tensor, backend::Backend};

use crate::error::ModelError;

/// A tensor under its Hugging Face name, row-major on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    /// Such as `model.norm.weight`.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values.
    pub values: Vec<f32>,
}

/// Reads a tensor back from its device.
pub(crate) fn read<B: Backend, const D: usize>(
    name: String,
    tensor: Tensor<B, D>,
) -> Result<NamedTensor, ModelError> {
    let shape = tensor.dims().to_vec();
    let values = tensor
        .into_data()
        .convert::<f32>()
        .into_vec::<f32>()
        .map_err(|e| ModelError::Readback { what: "weights", reason: format!("{e:?}") })?;
    Ok(NamedTensor { name, shape, values })
}
