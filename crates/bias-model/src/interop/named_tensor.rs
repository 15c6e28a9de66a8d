use bias_probe::device::read_back;
use burn::tensor::{Tensor, backend::Backend};

use crate::error::ModelError;

/// A tensor under its Hugging Face name, row-major on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    /// A name such as `model.norm.weight`.
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
    let values =
        read_back(tensor).map_err(|reason| ModelError::Readback { what: "weights", reason })?;
    Ok(NamedTensor { name, shape, values })
}
