use std::time::{Duration, Instant};

use jiff::Timestamp;
use rand::Rng as _;

/// Time and chance.
pub trait Clock: std::fmt::Debug + Send + Sync {
    /// The time since some moment before the run.
    fn now(&self) -> Duration;

    /// The date and time of day.
    fn wall(&self) -> Timestamp;

    /// Waits.
    fn sleep(&self, time: Duration);

    /// A random number from 0 to 1, by which waiting clients are spread.
    fn chance(&self) -> f64;
}

/// The machine's clock.
#[derive(Debug)]
pub struct System(Instant);

impl Default for System {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for System {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }

    fn chance(&self) -> f64 {
        rand::rng().random()
    }
}
