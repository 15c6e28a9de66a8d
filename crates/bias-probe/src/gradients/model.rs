use bias_types::ParamPath;
use burn::tensor::{Tensor, backend::AutodiffBackend};

use super::factors::{Factors, by_matrix, factors, waves};
use crate::batch::token_batch::TokenBatch;
use crate::error::ProbeError;
use crate::hooks::model::HookedModel;

/// Computes the loss of a batch, which is given by its number: a scalar of the final norm's output.
/// The model it gets may be another handle on the same weights. It may be called more than once for
/// a batch and must then return the same loss.
pub type Loss<'a, M, B> =
    dyn Fn(&M, usize, Tensor<B, 3>) -> Result<Tensor<B, 1>, ProbeError> + Sync + 'a;

/// Takes one matrix's factors in consecutive batches: the number of the first batch, the matrix,
/// and the factors of each batch in order.
pub type TakeFactors<'a, B> = dyn FnMut(
        usize,
        &ParamPath,
        Vec<Factors<<B as AutodiffBackend>::InnerBackend>>,
    ) -> Result<(), ProbeError>
    + 'a;

/// A model whose gradients can be computed for any number of batches.
///
/// An empty `impl` is enough: any model that runs on an autodiff backend with an observer is
/// differentiable, one batch after the other. Implement the method if your model can do better.
pub trait DifferentiableModel<B: AutodiffBackend>: HookedModel<B> {
    /// Differentiates every batch's loss and hands out the factors of each matrix's gradient, for
    /// [a wave of batches](crate::gradients::waves) at a time. They come wave by wave, or block by
    /// block: all matrices of one wave before those of the next wave, or all waves of a matrix
    /// before those of another block. A matrix that a loss does not depend on is an error.
    ///
    /// A model may run up to `threads` batches side by side; the numbers are the same. A model that
    /// reads its weights from a file goes through its layers backwards instead, with all batches at
    /// each layer, so that nothing of the size of the model is ever held.
    ///
    /// # Errors
    /// As [`factors`], and the closures' own.
    fn factors_all(
        &self,
        batches: &[TokenBatch],
        threads: usize,
        loss: &Loss<'_, Self, B>,
        take: &mut TakeFactors<'_, B>,
    ) -> Result<(), ProbeError>
    where
        Self: Sized,
    {
        let _ = threads;
        for wave in waves(self.dims(), batches) {
            let found = wave
                .clone()
                .map(|i| factors(self, &batches[i], |model, hidden| loss(model, i, hidden)));
            by_matrix(found.collect::<Result<_, _>>()?, |path, own| take(wave.start, path, own))?;
        }
        Ok(())
    }
}
