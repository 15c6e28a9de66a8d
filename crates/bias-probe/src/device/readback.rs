use burn::tensor::{Tensor, backend::Backend};

/// A tensor's values on the host as f32, row-major.
///
/// # Errors
/// burn's message if the values cannot be read, for the caller's own error.
pub fn read_back<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Result<Vec<f32>, String> {
    tensor.into_data().convert::<f32>().into_vec().map_err(|error| format!("{error:?}"))
}
