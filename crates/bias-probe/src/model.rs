use bias_core::{ModelDims, ParamPath, Site};
use burn::tensor::{
    Tensor,
    backend::{AutodiffBackend, Backend},
};

use crate::{Observer, ProbeError, TokenBatch};

/// A decoder that can run with an [`Observer`].
///
/// Implement it for your own model and every statistic and attribution method
/// here works on it.
pub trait HookedModel<B: Backend> {
    /// Its sizes.
    fn dims(&self) -> &ModelDims;

    /// Where its weights are.
    fn device(&self) -> B::Device;

    /// Runs the batch and gives the final norm's output, `[rows, width, d_model]`.
    ///
    /// Must call the observer at every one of its [`sites`](Self::sites) but the logits.
    ///
    /// # Errors
    /// A token or position the model does not have, or the observer's own error.
    fn hidden(&self, batch: &TokenBatch, observer: &mut dyn Observer<B>) -> Result<Tensor<B, 3>, ProbeError>;

    /// Next-token scores from the final norm's output: `[…, d_model]` → `[…, vocab]`.
    fn unembed(&self, hidden: Tensor<B, 3>) -> Tensor<B, 3>;

    /// A weight matrix in Hugging Face `[out, in]` order.
    ///
    /// # Errors
    /// [`ProbeError::NoSuchParam`].
    fn weight(&self, path: &ParamPath) -> Result<Tensor<B, 2>, ProbeError>;

    /// The sites its forward pass reaches, in order.
    fn sites(&self) -> Vec<Site> {
        Site::all(self.dims().layers).collect()
    }

    /// Runs the batch and gives next-token scores, `[rows, width, vocab]`.
    ///
    /// # Errors
    /// As [`hidden`](Self::hidden).
    fn logits(&self, batch: &TokenBatch, observer: &mut dyn Observer<B>) -> Result<Tensor<B, 3>, ProbeError> {
        let hidden = self.hidden(batch, observer)?;
        observer.at(Site::Logits, batch, self.unembed(hidden))
    }
}

/// A model whose weights' gradients can be read after a backward pass.
pub trait DifferentiableModel<B: AutodiffBackend>: HookedModel<B> {
    /// The gradient of a weight matrix, `[out, in]`, on the inner backend.
    ///
    /// # Errors
    /// [`ProbeError::NoSuchParam`], or [`ProbeError::NoGradient`] when the loss does
    /// not depend on it.
    fn gradient(
        &self,
        path: &ParamPath,
        gradients: &B::Gradients,
    ) -> Result<Tensor<B::InnerBackend, 2>, ProbeError>;
}
