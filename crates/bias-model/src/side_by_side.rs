//! Gradients of several batches at a time, of a model that holds its weights.

use std::panic::resume_unwind;

use bias_probe::{
    DifferentiableModel as _, HookedModel as _, Loss, NoObserver, ProbeError, TakeGradient, TokenBatch,
};
use burn::module::Module as _;
use burn::tensor::{Tensor, backend::AutodiffBackend};

use crate::load::on_host;
use crate::{Decoder, memory};

impl<B: AutodiffBackend> Decoder<B> {
    /// As many batches at a time as there are threads. What is handed out is held by nobody else, so that
    /// it can be changed where it is.
    pub(crate) fn side_by_side(
        &self,
        batches: &[TokenBatch],
        threads: usize,
        loss: &Loss<'_, Self, B>,
        take: &mut TakeGradient<'_, B>,
    ) -> Result<(), ProbeError> {
        let device = self.device();
        // Each holds a gradient for every weight, at least while others run.
        let gradients = size_of::<f32>() * self.dims().prunable_weights();
        let fit = match on_host::<B>(&device).then(memory::free).flatten() {
            Some(free) => usize::try_from(free).unwrap_or(usize::MAX) / gradients.max(1),
            None => threads,
        };
        let threads = threads.min(fit).max(1);
        // Threads, not rayon tasks, and a graph each: burn's autodiff locks would otherwise meet.
        let mut others: Vec<Self> =
            (1..threads.min(batches.len())).map(|_| self.clone().fork(&device)).collect();
        let mut first = 0;
        for together in batches.chunks(threads) {
            let found = std::thread::scope(|scope| {
                let running = others.iter_mut().zip(&together[1..]).enumerate();
                let running: Vec<_> = running
                    .map(|(i, (model, batch))| {
                        scope.spawn(move || model.gradients_of(first + 1 + i, batch, loss))
                    })
                    .collect();
                // On this thread too, whose memory is warm.
                let mut found = vec![self.gradients_of(first, &together[0], loss)];
                let others =
                    running.into_iter().map(|own| own.join().unwrap_or_else(|panic| resume_unwind(panic)));
                found.extend(others);
                found
            });
            for (i, gradients) in found.into_iter().enumerate() {
                let gradients = gradients?;
                for ((path, ..), gradient) in self.dims().projections().zip(gradients) {
                    take(first + i, &path, gradient)?;
                }
            }
            first += together.len();
        }
        Ok(())
    }

    /// Of every matrix, `[out, in]`, in order.
    fn gradients_of(
        &self,
        i: usize,
        batch: &TokenBatch,
        loss: &Loss<'_, Self, B>,
    ) -> Result<Vec<Tensor<B::InnerBackend, 2>>, ProbeError> {
        let gradients = loss(self, i, self.hidden(batch, &mut NoObserver)?)?.backward();
        self.dims().projections().map(|(path, ..)| self.gradient(&path, &gradients)).collect()
    }
}
