use bias_types::ParamPath;
use burn::tensor::{Tensor, backend::Backend};

use crate::error::ProbeError;

/// A model whose weight matrices can be read.
///
/// [`HookedModel`](crate::HookedModel) and bias-mask's `MaskTarget` build on it, so that a model
/// that is both has one `weight` and one `fingerprint`.
pub trait Weights<B: Backend> {
    /// A weight matrix in Hugging Face `[out, in]` order.
    ///
    /// # Errors
    /// [`ProbeError::NoSuchParam`]; [`ProbeError::Weights`] for weights that lie in a file and
    /// cannot be read.
    fn weight(&self, path: &ParamPath) -> Result<Tensor<B, 2>, ProbeError>;

    /// SHA-256 of the weights as they were loaded; `None`, as by default, if they did not come
    /// from files.
    ///
    /// # Errors
    /// [`ProbeError::Fingerprint`] when it cannot be computed, for example because the files
    /// changed.
    fn fingerprint(&self) -> Result<Option<&str>, ProbeError> {
        Ok(None)
    }
}
