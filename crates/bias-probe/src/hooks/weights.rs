use bias_types::ParamPath;
use burn::tensor::{Tensor, backend::Backend};

use crate::error::ProbeError;

/// A model whose weight matrices can be read: what [`HookedModel`](crate::HookedModel) and
/// bias-mask's `MaskTarget` build on, so that a model that is both has one `weight`.
pub trait Weights<B: Backend> {
    /// A weight matrix in Hugging Face `[out, in]` order.
    ///
    /// # Errors
    /// [`ProbeError::NoSuchParam`]; [`ProbeError::Weights`] for weights that lie in a file and
    /// cannot be read.
    fn weight(&self, path: &ParamPath) -> Result<Tensor<B, 2>, ProbeError>;
}
