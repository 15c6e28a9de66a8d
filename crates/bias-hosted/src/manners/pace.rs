use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp, fmt::rfc2822};

use super::clock::Clock;
use crate::error::HostedError;

/// When the next request may be sent. All threads of a run share it.
#[derive(Debug, Default)]
pub struct Pace {
    /// On the clock of the run.
    not_before: Mutex<Duration>,
    stopped: AtomicBool,
}

/// A server that asks for a longer pause than this is not waited for.
pub(crate) const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// While it waits, a thread looks this often whether the run has been stopped.
const LOOK: Duration = Duration::from_millis(200);

impl Pace {
    /// Waits until a request may be sent.
    ///
    /// # Errors
    /// [`HostedError::Stopped`] if the run was stopped meanwhile.
    pub fn wait(&self, clock: &dyn Clock) -> Result<(), HostedError> {
        loop {
            if self.stopped.load(Ordering::Relaxed) {
                return Err(HostedError::Stopped);
            }
            let until = *self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
            match until.checked_sub(clock.now()).filter(|left| !left.is_zero()) {
                Some(left) => clock.sleep(left.min(LOOK)),
                None => return Ok(()),
            }
        }
    }

    /// Lets a thread alone wait.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn pause(&self, clock: &dyn Clock, time: Duration) -> Result<(), HostedError> {
        let until = clock.now().saturating_add(time);
        while let Some(left) = until.checked_sub(clock.now()).filter(|left| !left.is_zero()) {
            if self.stopped.load(Ordering::Relaxed) {
                return Err(HostedError::Stopped);
            }
            clock.sleep(left.min(LOOK));
        }
        Ok(())
    }

    /// Nothing is sent any more.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Requests may be sent again.
    pub fn go_on(&self) {
        self.stopped.store(false, Ordering::Relaxed);
    }

    /// Nobody sends anything for this time.
    pub fn hold(&self, clock: &dyn Clock, time: Duration) {
        let until = clock.now().saturating_add(time.min(LONGEST));
        let mut own = self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        *own = until.max(*own);
    }

    /// Holds the run where the headers of a response say that nothing is left until a reset.
    pub fn heed(&self, clock: &dyn Clock, headers: &[(String, String)]) {
        if let Some(time) = used_up(headers, clock.wall()) {
            self.hold(clock, time);
        }
    }
}

fn header<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.trim())
}

/// The time that a server wants its client to wait: `retry-after-ms`, or `retry-after` in seconds or
/// as a date.
pub(crate) fn retry_after(headers: &[(String, String)], now: Timestamp) -> Option<Duration> {
    let number = |name: &str, unit: f64| {
        let value: f64 = header(headers, name)?.parse().ok()?;
        (value >= 0.0).then(|| Duration::try_from_secs_f64(value * unit).unwrap_or(Duration::MAX))
    };
    number("retry-after-ms", 1e-3).or_else(|| number("retry-after", 1.0)).or_else(|| {
        let date = rfc2822::DateTimeParser::new().parse_timestamp(header(headers, "retry-after")?);
        Some(until(date.ok()?, now))
    })
}

fn until(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(now)).unwrap_or_default()
}

/// How long nothing is left: the longest of the resets whose remainder is zero.
fn used_up(headers: &[(String, String)], now: Timestamp) -> Option<Duration> {
    let resets = headers.iter().filter_map(|(name, value)| {
        let spent = value.trim().parse::<f64>().is_ok_and(|left| left <= 0.0);
        let reset = if let Some(what) = name.strip_prefix("x-ratelimit-remaining-") {
            format!("x-ratelimit-reset-{what}")
        } else {
            let what = name.strip_prefix("anthropic-ratelimit-")?.strip_suffix("-remaining")?;
            format!("anthropic-ratelimit-{what}-reset")
        };
        spent.then(|| reset_in(header(headers, &reset)?, now)).flatten()
    });
    resets.max()
}

/// `6m0s`, `120ms`, seconds, seconds since 1970, or a date.
fn reset_in(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<f64>() {
        // Nobody asks for thirty years.
        let since = now.as_second() as f64;
        let seconds = if seconds > 1e9 { seconds - since } else { seconds };
        return Duration::try_from_secs_f64(seconds.max(0.0)).ok();
    }
    if let Ok(date) = text.parse::<Timestamp>() {
        return Some(until(date, now));
    }
    let time: SignedDuration = text.parse().ok()?;
    Duration::try_from(time).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    fn now() -> Timestamp {
        "2026-11-29T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_pause_is_read_in_each_form() {
        let of = |all: &[(&str, &str)]| retry_after(&headers(all), now());
        assert_eq!(of(&[("retry-after", "3")]), Some(Duration::from_secs(3)));
        assert_eq!(of(&[("retry-after", "0.5")]), Some(Duration::from_millis(500)));
        let both = [("retry-after", "3"), ("retry-after-ms", "20")];
        assert_eq!(of(&both), Some(Duration::from_millis(20)));
        let date = [("retry-after", "Sun, 29 Nov 2026 12:01:30 GMT")];
        assert_eq!(of(&date), Some(Duration::from_secs(90)));
        let past = [("retry-after", "Sun, 29 Nov 2026 11:00:00 GMT")];
        assert_eq!(of(&past), Some(Duration::ZERO));
        for odd in ["-1", "soon", "NaN", ""] {
            assert_eq!(of(&[("retry-after", odd)]), None, "{odd}");
        }
        assert!(of(&[("retry-after", "1e300")]) > Some(LONGEST));
    }

    #[test]
    fn what_is_used_up_is_waited_for() {
        let of = |all: &[(&str, &str)]| used_up(&headers(all), now());
        let own = [
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "120ms"),
            ("x-ratelimit-remaining-tokens", "0"),
            ("x-ratelimit-reset-tokens", "6m0s"),
        ];
        assert_eq!(of(&own), Some(Duration::from_secs(360)));
        assert_eq!(of(&own[..2]), Some(Duration::from_millis(120)));
        let left = [
            ("x-ratelimit-remaining-tokens", "12"),
            ("x-ratelimit-reset-tokens", "6m0s"),
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("anthropic-ratelimit-requests-reset", "2026-11-29T12:00:05Z"),
        ];
        assert_eq!(of(&left[..2]), None);
        assert_eq!(of(&left), Some(Duration::from_secs(5)));
        let odd = [("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "soon")];
        assert_eq!(of(&odd), None);
        let seconds =
            [("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "1795953605")];
        assert_eq!(of(&seconds), Some(Duration::from_secs(5)));
    }
}
