use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::Builder;

/// Works through items on several threads, the calling one among them, and returns the results in
/// the items' order.
///
/// Each thread has its own state, such as a handle on a model. All states are made on the calling
/// thread before any other thread starts. A thread that is free takes the next item. Once an item
/// has failed, no further item is taken. Of several failed items, the error of the first by order
/// is returned. Where the system refuses a thread, those that there are do its work.
///
/// These are threads and not rayon tasks, because a rayon task that waits takes up other tasks'
/// work, here while it holds a lock of burn's autodiff.
///
/// # Errors
/// Those of `each`. A panic of `each` continues on the calling thread.
pub fn in_threads<S: Send, I: Send, T: Send, E: Send>(
    threads: usize,
    state: impl FnMut(usize) -> S,
    items: impl IntoIterator<Item = I>,
    each: impl Fn(&mut S, I) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let items: Vec<I> = items.into_iter().collect();
    let mut states: Vec<S> = (0..threads.clamp(1, items.len().max(1))).map(state).collect();
    let next = Mutex::new(items.into_iter().enumerate());
    let failed = AtomicBool::new(false);
    let work = |mut state: S| {
        let mut done = Vec::new();
        while !failed.load(Ordering::Relaxed) {
            let Some((i, item)) = next.lock().unwrap_or_else(PoisonError::into_inner).next() else {
                break;
            };
            let result = each(&mut state, item);
            failed.fetch_or(result.is_err(), Ordering::Relaxed);
            done.push((i, result));
        }
        done
    };
    let callers = states.pop();
    let mut done = std::thread::scope(|scope| {
        let work = &work;
        let start = |state| Builder::new().spawn_scoped(scope, move || work(state)).ok();
        let others: Vec<_> = states.into_iter().filter_map(start).collect();
        let mut done: Vec<_> = callers.into_iter().flat_map(work).collect();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        done
    });
    done.sort_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use super::*;

    #[test]
    fn results_are_in_the_items_order() {
        for threads in [0, 1, 2, 5, 100] {
            let items = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
            let found = in_threads(
                threads,
                |thread| thread,
                items,
                |thread, item| {
                    if item == "a" {
                        std::thread::sleep(Duration::from_millis(2));
                    }
                    assert!(*thread < threads.max(1));
                    Ok::<_, ()>(item + "!")
                },
            );
            assert_eq!(found.unwrap(), ["a!", "b!", "c!"]);
        }
        assert_eq!(in_threads(3, |_| (), 0..0, |(), i| Ok::<_, ()>(i)), Ok(Vec::<i32>::new()));
    }

    #[test]
    fn nothing_is_begun_after_an_error() {
        let seen = AtomicUsize::new(0);
        let found = in_threads(
            2,
            |_| (),
            0..1000,
            |(), i| {
                seen.fetch_add(1, Ordering::Relaxed);
                if i == 3 {
                    return Err(i);
                }
                std::thread::sleep(Duration::from_millis(1));
                Ok(())
            },
        );
        assert_eq!(found, Err(3));
        assert!(seen.load(Ordering::Relaxed) < 500);
    }

    #[test]
    fn the_first_error_by_order_is_given() {
        for threads in [1, 2, 8] {
            // The second fails long before the first does.
            let found = in_threads(
                threads,
                |_| (),
                [30, 0, 0, 0],
                |(), wait| {
                    std::thread::sleep(Duration::from_millis(wait));
                    Err::<(), _>(wait)
                },
            );
            assert_eq!(found, Err(30), "{threads} threads");
        }
    }

    #[test]
    #[should_panic(expected = "a panic that goes on")]
    fn panics_go_on() {
        let _ = in_threads(
            2,
            |_| (),
            0..10,
            |(), i| if i == 5 { panic!("a panic that goes on") } else { Ok::<_, ()>(i) },
        );
    }
}
