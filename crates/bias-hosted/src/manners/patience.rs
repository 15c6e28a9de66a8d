use std::time::Duration;

/// How often and how long a request is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The most attempts.
    pub attempts: u32,
    /// The longest that a request waits between its attempts, all together.
    pub waiting: Duration,
    /// The wait after the first attempt; it doubles with each.
    pub first: Duration,
    /// The longest of these waits.
    pub longest: Duration,
}

impl Default for Patience {
    /// Ten attempts within half an hour, from half a second to a minute apart.
    fn default() -> Self {
        Self {
            attempts: 10,
            waiting: Duration::from_secs(1800),
            first: Duration::from_millis(500),
            longest: Duration::from_secs(60),
        }
    }
}

impl Patience {
    /// The wait after an attempt, from 1: twice the one before, of which `chance` (from 0 to 1)
    /// takes up to half away, so that clients who failed together do not return together.
    #[must_use]
    pub fn backoff(&self, attempt: u32, chance: f64) -> Duration {
        let doubled = self.first.saturating_mul(1 << attempt.saturating_sub(1).min(20));
        doubled.min(self.longest).mul_f64(1.0 - 0.5 * chance.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let own = Patience::default();
        let seconds = |attempt, chance| own.backoff(attempt, chance).as_secs_f64();
        assert_eq!((seconds(1, 0.0), seconds(1, 1.0), seconds(3, 0.0)), (0.5, 0.25, 2.0));
        assert_eq!((seconds(8, 0.0), seconds(4_000_000_000, 1.0)), (60.0, 30.0));
    }
}
