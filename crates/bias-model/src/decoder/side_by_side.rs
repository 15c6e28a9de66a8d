//! Runs several batches at a time, each on a thread.

use std::ops::Range;

use bias_probe::gradients::{Loss, TakeFactors, by_matrix, factors, waves};
use bias_probe::{ProbeError, TokenBatch, in_threads};
use burn::tensor::backend::AutodiffBackend;
use rayon::ThreadPoolBuilder;

use super::model::Decoder;

impl<B: AutodiffBackend> Decoder<B> {
    /// The factors of a model with its weights in memory: the batches of a wave run on several
    /// threads.
    ///
    /// The cores are divided among the threads if the batches of a wave divide evenly among them.
    /// Small products that use all cores, on several threads at once, would keep waking and waiting
    /// for each other.
    pub(crate) fn side_by_side(
        &self,
        batches: &[TokenBatch],
        threads: usize,
        loss: &Loss<'_, Self, B>,
        take: &mut TakeFactors<'_, B>,
    ) -> Result<(), ProbeError> {
        let waves = waves(&self.config().dims, batches);
        let threads = threads.min(waves.iter().map(Range::len).max().unwrap_or(0));
        let cores = (rayon::current_num_threads() / threads.max(1)).max(1);
        let pool = |_| ThreadPoolBuilder::new().num_threads(cores).build();
        let pools: Vec<_> =
            if threads > 1 { (0..threads).flat_map(pool).collect() } else { Vec::new() };
        for wave in waves {
            let even = pools.len() == threads && wave.len().is_multiple_of(threads.max(1));
            let pool = |thread| pools.get(thread).filter(|_| even);
            let run = |i: usize| factors(self, &batches[i], |model, hidden| loss(model, i, hidden));
            let found = in_threads(threads, pool, wave.clone(), |pool, i| match pool {
                Some(pool) => pool.install(|| run(i)),
                None => run(i),
            })?;
            by_matrix(found, |path, own| take(wave.start, path, own))?;
        }
        Ok(())
    }
}
