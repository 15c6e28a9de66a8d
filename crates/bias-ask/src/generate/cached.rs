use bias_probe::{HookedModel, ProbeError, TokenBatch};
use burn::tensor::{Tensor, backend::Backend};

/// A batch, and what it is run behind.
#[derive(Debug)]
pub struct Work<'a, C> {
    /// The tokens to run.
    pub batch: &'a TokenBatch,
    /// What was run before them; they are added to it.
    pub cache: &'a mut C,
}

/// A model that keeps what it has run, such as keys and values, and goes on behind it.
///
/// A saving, never needed: with [`ask_cached`](super::ask_cached) as its
/// [`Answering::ask`](super::Answering::ask), a prompt and every token that answers share are run
/// once.
pub trait Cached<B: Backend>: HookedModel<B> {
    /// What is kept of some rows.
    type Cache: Send;

    /// Of nothing yet.
    fn cache(&self) -> Self::Cache;

    /// Some of the rows, in this order; a row may be taken several times. Goes with
    /// [`TokenBatch::with_rows`].
    fn cache_rows(&self, cache: &Self::Cache, rows: &[usize]) -> Self::Cache;

    /// Runs a batch behind what the cache holds ([`TokenBatch::following`]) and adds it there.
    /// Gives the final norm's output, `[rows, width, d_model]`.
    ///
    /// # Errors
    /// As [`HookedModel::hidden`].
    fn run_behind(
        &self,
        batch: &TokenBatch,
        cache: &mut Self::Cache,
    ) -> Result<Tensor<B, 3>, ProbeError>;

    /// Runs several batches, each behind its own cache. A model that reads its weights from a file
    /// takes all of them through a layer before the next is read.
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

    /// Whether a row that grows from so many tokens to so many must be run anew, because what was
    /// kept of shorter texts does not hold for longer ones.
    fn outgrown(&self, before: usize, after: usize) -> bool {
        let _ = (before, after);
        false
    }
}
