use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Runs `work` over the items on several threads; results in the items' order.
///
/// Once an item failed, no other is begun. Items are begun in order and finished once begun, so the error
/// returned is that of the first item, in order, that fails.
pub(crate) fn in_parallel<I: Sync, T: Send, E: Send>(
    threads: usize,
    items: &[I],
    work: impl Fn(&I) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
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

    #[test]
    fn nothing_is_begun_after_an_error() {
        let items: Vec<usize> = (0..1000).collect();
        let begun = AtomicUsize::new(0);
        let found = in_parallel(2, &items, |i| {
            begun.fetch_add(1, Ordering::Relaxed);
            if *i == 0 {
                return Err(*i);
            }
            std::thread::sleep(Duration::from_millis(1));
            Ok(())
        });
        assert_eq!(found, Err(0));
        assert!(begun.load(Ordering::Relaxed) < 50, "{begun:?} of 1000");
    }

    #[test]
    fn the_first_error_by_order_is_returned_and_results_are_in_order() {
        for threads in [1, 2, 8] {
            // The second fails long before the first does.
            let found = in_parallel(threads, &[30u64, 0, 0, 0], |&wait| {
                std::thread::sleep(Duration::from_millis(wait));
                Err::<(), _>(wait)
            });
            assert_eq!(found, Err(30), "{threads} threads");
            let found = in_parallel(threads, &[3u64, 1, 2], |&own| Ok::<_, ()>(own * 10));
            assert_eq!(found, Ok(vec![30, 10, 20]));
        }
        assert_eq!(in_parallel(2, &[], |_: &()| Ok::<_, ()>(())), Ok(Vec::new()));
    }
}
