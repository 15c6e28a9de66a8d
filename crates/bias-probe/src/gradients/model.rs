use bias_types::ParamPath;
use burn::tensor::{Tensor, backend::AutodiffBackend};

use super::factors::{Factors, by_matrix, factors, waves};
use crate::batch::token_batch::TokenBatch;
use crate::error::ProbeError;
use crate::hooks::model::HookedModel;

/// What is differentiated of a batch, by its number: a scalar of the final norm's output, by the
/// model given, which may be another handle on the same weights. It may be asked for more than
/// once, and must then be the same.
pub type Loss<'a, M, B> =
    dyn Fn(&M, usize, Tensor<B, 3>) -> Result<Tensor<B, 1>, ProbeError> + Sync + 'a;

/// Takes one matrix's factors in some batches: the number of the first, the matrix, and those of
/// the first and of each that follows.
pub type TakeFactors<'a, B> = dyn FnMut(
        usize,
        &ParamPath,
        Vec<Factors<<B as AutodiffBackend>::InnerBackend>>,
    ) -> Result<(), ProbeError>
    + 'a;

/// A model whose weights' gradients can be had for any number of batches.
///
/// Implement it with no method at all where nothing better can be done than one batch after the
/// other: whatever runs on an autodiff backend with an observer is differentiable.
pub trait DifferentiableModel<B: AutodiffBackend>: HookedModel<B> {
    /// Differentiates every batch's loss and hands out what the gradients of each matrix are made
    /// of: those of [some batches](crate::gradients::waves) at a time, all matrices of one wave
    /// before the next wave's, or all waves of a matrix before those of another block. A matrix
    /// that a loss does not depend on is an error.
    ///
    /// A model may run up to `threads` batches side by side; the numbers are the same. A model that
    /// reads its weights from a file goes through its layers backwards instead, all batches at one
    /// layer: then nothing of the size of the model is ever held.
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
