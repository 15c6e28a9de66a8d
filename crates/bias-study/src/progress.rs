//! How far long work is, and how long the rest will take.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on a terminal; elsewhere a line on standard error, once the first part is done and then every half
/// minute.
pub(crate) struct Progress {
    what: &'static str,
    of: &'static str,
    bar: ProgressBar,
    log: Mutex<Log>,
}

/// What was said so far, where there is no terminal.
struct Log {
    started: Instant,
    said: Option<Instant>,
    /// Parts done before this run, which took it no time.
    known: u64,
}

/// Between two lines.
const QUIET: Duration = Duration::from_secs(30);
/// Work that is done sooner needs no line.
const SHORT: Duration = Duration::from_secs(5);

impl Progress {
    /// Of `count` parts, called `of`.
    pub(crate) fn new(what: &'static str, of: &'static str, count: usize) -> Self {
        let template =
            format!("{{prefix:>16}} {{bar:40}} {{pos}}/{{len}} {of}  {{elapsed}} so far, {{eta}} left");
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(count as u64).with_style(style).with_prefix(what);
        let log = Log { started: Instant::now(), said: None, known: 0 };
        Self { what, of, bar, log: Mutex::new(log) }
    }

    /// These were done by an earlier run.
    pub(crate) fn known(&self, parts: usize) {
        self.bar.inc(parts as u64);
        self.bar.reset_eta();
        self.log.lock().unwrap_or_else(PoisonError::into_inner).known += parts as u64;
    }

    /// So many more are done.
    pub(crate) fn done(&self, parts: usize) {
        self.bar.inc(parts as u64);
        if !self.bar.is_hidden() {
            return;
        }
        let (done, all) = (self.bar.position(), self.bar.length().unwrap_or(0));
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some(left) = log.due(now, done, all) {
            let Self { what, of, .. } = self;
            let so_far = in_words(now - log.started);
            eprintln!("{what}: {done} of {all} {of} in {so_far}, about {} left", in_words(left));
            log.said = Some(now);
        }
    }

    /// Nothing more is shown.
    pub(crate) fn finish(self) {
        self.bar.finish_and_clear();
    }
}

impl Log {
    /// How long the rest will take, if that is to be said now.
    fn due(&self, now: Instant, done: u64, all: u64) -> Option<Duration> {
        let own = done.saturating_sub(self.known);
        let spent = now - self.started;
        let left = spent.mul_f64(all.saturating_sub(done) as f64 / own.max(1) as f64);
        let due = self.said.map_or(left >= SHORT, |said| now - said >= QUIET);
        (own > 0 && done < all && due).then_some(left)
    }
}

/// A time as people say it.
#[must_use]
pub fn in_words(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 6000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_first_and_then_every_half_minute() {
        let started = Instant::now();
        let after = |seconds| started + Duration::from_secs(seconds);
        let mut log = Log { started, said: None, known: 0 };
        assert_eq!(log.due(after(1), 10, 100), Some(Duration::from_secs(9)));
        assert_eq!(log.due(after(1), 50, 100), None, "too short to speak of");
        assert_eq!(log.due(after(1), 0, 100), None, "nothing is known yet");
        log.said = Some(after(1));
        assert_eq!(log.due(after(30), 20, 100), None);
        assert_eq!(log.due(after(31), 20, 100), Some(Duration::from_secs(124)));
        assert_eq!(log.due(after(50), 100, 100), None, "it is done");
        // What an earlier run did says nothing of how long this one takes.
        log.known = 80;
        assert_eq!(log.due(after(50), 90, 100), Some(Duration::from_secs(50)));
    }

    #[test]
    fn times_are_said_in_their_own_size() {
        let said = |seconds| in_words(Duration::from_secs_f64(seconds));
        assert_eq!([said(0.31), said(42.4), said(250.0), said(9000.0)], ["0.3 s", "42 s", "4 min", "2.5 h"]);
    }
}
