//! Programs that measure, and what they and the benches share.

use std::io::{BufRead as _, Write as _};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub use bias_cli::failure::{Failure, finish};
use bias_study::run::process_memory;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub mod programs;

/// Tensors come and go by the megabyte.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Anonymous memory this process holds now, in bytes, as Linux counts it (`RssAnon`).
#[must_use]
pub fn anonymous_memory() -> Option<u64> {
    process_memory("RssAnon")
}

/// What some work took.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Wall-clock time.
    pub seconds: f64,
    /// The most anonymous memory held meanwhile above what was held before, in bytes,
    /// looked at every millisecond. `None` where the system does not say.
    pub peak: Option<u64>,
}

/// Does some work and measures what it takes.
pub fn cost<T>(work: impl FnOnce() -> T) -> (T, Cost) {
    let before = anonymous_memory();
    let (peak, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let (result, seconds) = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                peak.fetch_max(anonymous_memory().unwrap_or(0), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let started = Instant::now();
        let result = work();
        let seconds = started.elapsed().as_secs_f64();
        done.store(true, Ordering::Relaxed);
        (result, seconds)
    });
    peak.fetch_max(anonymous_memory().unwrap_or(0), Ordering::Relaxed);
    let peak = before.map(|before| peak.into_inner().saturating_sub(before));
    (result, Cost { seconds, peak })
}

/// Says that a program is ready, then answers every line of standard input with a line, both JSON.
///
/// # Errors
/// A line that cannot be read, and what `serve` fails with.
pub fn converse<Q: DeserializeOwned, A: Serialize>(
    ready: &A,
    mut serve: impl FnMut(Q) -> Result<A, Failure>,
) -> Result<(), Failure> {
    let say = |answer: &A| -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(answer)?)?;
        Ok(out.flush()?)
    };
    say(ready)?;
    for line in std::io::stdin().lock().lines() {
        say(&serve(serde_json::from_str(&line?)?)?)?;
    }
    Ok(())
}
