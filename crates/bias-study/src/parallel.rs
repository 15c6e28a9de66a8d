use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::StudyError;

/// Runs `work` over the items on several threads; results in the items' order.
///
/// Once an item failed, no other is begun. Items are begun in order and finished once begun, so the error
/// returned is that of the first item, in order, that fails.
pub(crate) fn in_parallel<I: Sync, T: Send>(
    threads: usize,
    items: &[I],
    work: impl Fn(&I) -> Result<T, StudyError> + Sync,
) -> Result<Vec<T>, StudyError> {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, items.len().max(1)) {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed) {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(i) else { break };
                    let result = work(item);
                    if result.is_err() {
                        failed.store(true, Ordering::Relaxed);
                    }
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((i, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn failed<T>(item: u64) -> Result<T, StudyError> {
        Err(StudyError::Report { reason: item.to_string() })
    }

    fn reason<T: std::fmt::Debug>(found: Result<T, StudyError>) -> String {
        match found.unwrap_err() {
            StudyError::Report { reason } => reason,
            other => other.to_string(),
        }
    }

    #[test]
    fn nothing_is_begun_after_an_error() {
        let items: Vec<u64> = (0..1000).collect();
        let begun = AtomicUsize::new(0);
        let found = in_parallel(2, &items, |i| {
            begun.fetch_add(1, Ordering::Relaxed);
            if *i == 0 {
                return failed(*i);
            }
            std::thread::sleep(Duration::from_millis(1));
            Ok(())
        });
        assert_eq!(reason(found), "0");
        assert!(begun.load(Ordering::Relaxed) < 50, "{begun:?} of 1000");
    }

    #[test]
    fn the_first_error_by_order_is_returned_and_results_are_in_order() {
        for threads in [1, 2, 8] {
            // The second fails long before the first does.
            let found = in_parallel(threads, &[30u64, 0, 0, 0], |&wait| {
                std::thread::sleep(Duration::from_millis(wait));
                failed::<()>(wait)
            });
            assert_eq!(reason(found), "30", "{threads} threads");
            let found = in_parallel(threads, &[3u64, 1, 2], |&own| Ok(own * 10));
            assert_eq!(found.unwrap(), [30, 10, 20]);
        }
        assert!(in_parallel(2, &[], |(): &()| Ok(())).unwrap().is_empty());
    }
}
