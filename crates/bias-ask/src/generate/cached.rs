use bias_probe::{HookedModel, ProbeError, TokenBatch};
use burn::tensor::{Tensor, backend::Backend};

/// A batch, and the cache that it continues.
#[derive(Debug)]
pub struct Work<'a, C> {
    /// The tokens to run.
    pub batch: &'a TokenBatch,
    /// The tokens that were run before; the new ones are added.
    pub cache: &'a mut C,
}

/// A model that keeps its past work, such as keys and values, and continues from it.
///
/// It saves time and changes nothing else. With [`ask_cached`](super::ask_cached) as the model's
/// [`Answering::ask`](super::Answering::ask), a prompt and every token that several answers share
/// are run once.
pub trait Cached<B: Backend>: HookedModel<B> {
    /// The cache of some rows.
    type Cache: Send;

    /// An empty cache.
    fn cache(&self) -> Self::Cache;

    /// Some of the rows, in this order. A row may be taken several times. It goes with
    /// [`TokenBatch::with_rows`].
    fn cache_rows(&self, cache: &Self::Cache, rows: &[usize]) -> Self::Cache;

    /// Runs a batch behind the tokens in the cache ([`TokenBatch::following`]) and adds the batch
    /// to it. Returns the output of the final norm, `[rows, width, d_model]`.
    ///
    /// # Errors
    /// As [`HookedModel::hidden`].
    fn run_behind(
        &self,
        batch: &TokenBatch,
        cache: &mut Self::Cache,
    ) -> Result<Tensor<B, 3>, ProbeError>;

    /// Runs several batches, each behind its own cache. A model that reads its weights from a file
    /// takes all batches through a layer before it reads the next one.
    ///
    /// # Errors
    /// As [`run_behind`](Self::run_behind).
    fn run_all_behind(
        &self,
        work: &mut [Work<'_, Self::Cache>],
        threads: usize,
    ) -> Result<Vec<Tensor<B, 3>>, ProbeError> {
        let _ = threads;
        work.iter_mut().map(|Work { batch, cache }| self.run_behind(batch, cache)).collect()
    }

    /// Whether a row that grows from one length to another must be run again from its start,
    /// because the cache of a shorter text is not valid for a longer one.
    fn outgrown(&self, before: usize, after: usize) -> bool {
        let _ = (before, after);
        false
    }
}
