use bias_probe::in_threads;

use crate::StudyError;

/// Runs `work` over the items on several threads; results in the items' order.
pub(crate) fn in_parallel<I: Sync, T: Send>(
    threads: usize,
    items: &[I],
    work: impl Fn(&I) -> Result<T, StudyError> + Sync,
) -> Result<Vec<T>, StudyError> {
    in_threads(threads, |_| (), items, |(), item| work(item))
}
