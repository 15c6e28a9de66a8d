//! Several batches at a time, each on a thread.

use std::ops::Range;
use std::panic::resume_unwind;

use bias_probe::gradients::{Loss, TakeFactors, by_matrix, factors, waves};
use bias_probe::{ProbeError, TokenBatch};
use burn::tensor::backend::AutodiffBackend;
use rayon::ThreadPoolBuilder;

use super::model::Decoder;

/// Works through items on some threads, this one among them, and gives what was found in the items' order.
///
/// Threads, not rayon tasks: those would take each other's work up while they hold a lock of burn's autodiff.
pub(crate) fn in_threads<T: Send, R: Send>(
    threads: usize,
    items: impl ExactSizeIterator<Item = T>,
    each: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    let share = share(threads, items.len());
    let mut items: Vec<T> = items.collect();
    let mut shares = Vec::new();
    while items.len() > share {
        let rest = items.split_off(share);
        shares.push(std::mem::replace(&mut items, rest));
    }
    let work = |share: Vec<T>| share.into_iter().map(&each).collect::<Vec<R>>();
    std::thread::scope(|scope| {
        let running: Vec<_> = shares.into_iter().map(|share| scope.spawn(|| work(share))).collect();
        let last = work(items);
        let others = running.into_iter().map(|own| own.join().unwrap_or_else(|panic| resume_unwind(panic)));
        others.flatten().chain(last).collect()
    })
}

/// How many items each thread takes.
fn share(threads: usize, items: usize) -> usize {
    items.div_ceil(threads.max(1)).max(1)
}

impl<B: AutodiffBackend> Decoder<B> {
    /// Factors by a model that holds its weights: the batches of a wave on several threads.
    ///
    /// Cores are shared out where that comes out even: small products that all cores work at, on several
    /// threads at once, would wake and wait for one another all the time.
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
        let pools: Vec<_> = if threads > 1 { (0..threads).flat_map(pool).collect() } else { Vec::new() };
        for wave in waves {
            let share = share(threads, wave.len());
            let even = pools.len() == threads && wave.len() == share * threads;
            let run = |i: usize| factors(self, &batches[i], |model, hidden| loss(model, i, hidden));
            let found = in_threads(threads, wave.clone(), |i| match pools.get((i - wave.start) / share) {
                Some(pool) if even => pool.install(|| run(i)),
                _ => run(i),
            });
            by_matrix(found.into_iter().collect::<Result<_, _>>()?, |path, own| take(wave.start, path, own))?;
        }
        Ok(())
    }
}
