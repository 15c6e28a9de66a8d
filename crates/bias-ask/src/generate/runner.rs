//! Runs tokens behind others: from a cache, or all of them again.

use std::sync::atomic::{AtomicU64, Ordering};

use bias_probe::{HookedModel, NoObserver, ProbeError, TokenBatch};
use burn::tensor::{Tensor, backend::Backend};

use super::cached::{Cached, Work};

/// The tokens of all passes so far.
static TOKENS: AtomicU64 = AtomicU64::new(0);

/// The number of tokens that this process has run to answer questions, prompts and padding included.
/// It only grows. A question may take minutes; this says meanwhile that the work goes on, and how
/// fast.
#[must_use]
pub fn tokens_run() -> u64 {
    TOKENS.load(Ordering::Relaxed)
}

fn ran(batch: &TokenBatch) {
    TOKENS.fetch_add((batch.rows() * batch.width()) as u64, Ordering::Relaxed);
}

/// How the engine runs a model.
pub(crate) trait Runner<B: Backend> {
    type Model: HookedModel<B> + ?Sized;
    type Cache;

    fn model(&self) -> &Self::Model;

    /// Whether prompts may share a common beginning.
    fn shares(&self) -> bool;

    fn empty(&self) -> Self::Cache;

    fn rows(&self, cache: &Self::Cache, rows: &[usize]) -> Self::Cache;

    fn run(&self, batch: &TokenBatch, cache: &mut Self::Cache) -> Result<Tensor<B, 3>, ProbeError>;

    fn run_all(
        &self,
        work: &mut [Work<'_, Self::Cache>],
        threads: usize,
    ) -> Result<Vec<Tensor<B, 3>>, ProbeError>;

    /// Whether a row that grows from one length to another is run as a whole.
    fn reruns(&self, before: usize, after: usize) -> bool;
}

/// Continues from the model's cache.
pub(crate) struct Behind<'m, M>(pub &'m M);

impl<B: Backend, M: Cached<B>> Runner<B> for Behind<'_, M> {
    type Model = M;
    type Cache = M::Cache;

    fn model(&self) -> &M {
        self.0
    }

    fn shares(&self) -> bool {
        self.0.is_causal()
    }

    fn empty(&self) -> M::Cache {
        self.0.cache()
    }

    fn rows(&self, cache: &M::Cache, rows: &[usize]) -> M::Cache {
        self.0.cache_rows(cache, rows)
    }

    fn run(&self, batch: &TokenBatch, cache: &mut M::Cache) -> Result<Tensor<B, 3>, ProbeError> {
        ran(batch);
        self.0.run_behind(batch, cache)
    }

    fn run_all(
        &self,
        work: &mut [Work<'_, M::Cache>],
        threads: usize,
    ) -> Result<Vec<Tensor<B, 3>>, ProbeError> {
        work.iter().for_each(|own| ran(own.batch));
        self.0.run_all_behind(work, threads)
    }

    fn reruns(&self, before: usize, after: usize) -> bool {
        self.0.outgrown(before, after)
    }
}

/// Uses no cache: every step runs each prompt with its living answers as one tree.
pub(crate) struct Anew<'m, M: ?Sized>(pub &'m M);

impl<B: Backend, M: HookedModel<B> + ?Sized> Runner<B> for Anew<'_, M> {
    type Model = M;
    type Cache = ();

    fn model(&self) -> &M {
        self.0
    }

    fn shares(&self) -> bool {
        false
    }

    fn empty(&self) {}

    fn rows(&self, (): &(), _: &[usize]) {}

    fn run(&self, batch: &TokenBatch, (): &mut ()) -> Result<Tensor<B, 3>, ProbeError> {
        ran(batch);
        self.0.hidden(batch, &mut NoObserver)
    }

    fn run_all(
        &self,
        work: &mut [Work<'_, ()>],
        _: usize,
    ) -> Result<Vec<Tensor<B, 3>>, ProbeError> {
        work.iter().for_each(|own| ran(own.batch));
        work.iter().map(|own| self.0.hidden(own.batch, &mut NoObserver)).collect()
    }

    fn reruns(&self, _: usize, _: usize) -> bool {
        true
    }
}
