use bias_core::{ModelDims, ParamPath, Site};
use burn::tensor::{
    Tensor,
    backend::{AutodiffBackend, Backend},
};

use crate::{NoObserver, Observer, ProbeError, TokenBatch};

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

    /// Runs several batches, which the observer sees in their order at every site.
    ///
    /// By default one after the other. A model that reads its weights from a file while it
    /// runs takes all batches through a layer before it goes on to the next, so that a layer is
    /// read once.
    ///
    /// # Errors
    /// As [`hidden`](Self::hidden).
    fn observe_all(&self, batches: &[TokenBatch], observer: &mut dyn Observer<B>) -> Result<(), ProbeError> {
        batches.iter().try_for_each(|batch| self.hidden(batch, observer).map(drop))
    }

    /// Next-token scores from the final norm's output: `[…, d_model]` → `[…, vocab]`.
    ///
    /// # Errors
    /// Weights that cannot be read.
    fn unembed(&self, hidden: Tensor<B, 3>) -> Result<Tensor<B, 3>, ProbeError>;

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
        observer.at(Site::Logits, batch, self.unembed(hidden)?)
    }
}

/// What is differentiated of a batch, by its number: a scalar of the final norm's output, by the
/// model given, which may be another handle on the same weights. It may be asked for more than once,
/// and must then be the same.
pub type Loss<'a, M, B> = dyn Fn(&M, usize, Tensor<B, 3>) -> Result<Tensor<B, 1>, ProbeError> + Sync + 'a;

/// Takes a batch's gradient of one matrix, `[out, in]`, on the inner backend.
pub type TakeGradient<'a, B> = dyn FnMut(usize, &ParamPath, Tensor<<B as AutodiffBackend>::InnerBackend, 2>) -> Result<(), ProbeError>
    + 'a;

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

    /// Differentiates every batch's loss and hands out the gradients of each matrix, batch by
    /// batch in their order. A matrix that a loss does not depend on is an error.
    ///
    /// By default one batch after the other, each matrix's gradients apart. A model may run up to
    /// `threads` batches side by side; each holds a whole model's gradients, and the numbers are the
    /// same. A model that reads its weights from a file goes through its layers backwards instead, all
    /// batches at one layer: then the gradients of a matrix come together, and nothing of the size of
    /// the model is ever held.
    ///
    /// # Errors
    /// As [`hidden`](HookedModel::hidden) and [`gradient`](Self::gradient), and the closures' own.
    fn gradients_all(
        &self,
        batches: &[TokenBatch],
        threads: usize,
        loss: &Loss<'_, Self, B>,
        take: &mut TakeGradient<'_, B>,
    ) -> Result<(), ProbeError>
    where
        Self: Sized,
    {
        let _ = threads;
        for (i, batch) in batches.iter().enumerate() {
            let gradients = loss(self, i, self.hidden(batch, &mut NoObserver)?)?.backward();
            for (path, ..) in self.dims().projections() {
                take(i, &path, self.gradient(&path, &gradients)?)?;
            }
        }
        Ok(())
    }
}
