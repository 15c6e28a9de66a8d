//! The progress of long work, and the time that is left.

use bias_ask::generate::tokens_run;
use bias_files::note;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on a terminal. Elsewhere a line on standard error as soon as a forecast is possible and
/// then every half minute, even if nothing was finished since. With a bound on the tokens to run
/// ([`within`](Self::within)), it also says how fast they run, and how long the work takes at most
/// while nothing is finished that a forecast could rest on.
pub(crate) struct Progress {
    shown: Arc<Shown>,
    /// Closed when this is dropped, which ends the threads that write lines.
    ends: Vec<Sender<()>>,
}

struct Shown {
    what: &'static str,
    of: &'static str,
    bar: ProgressBar,
    log: Mutex<Log>,
}

/// The messages so far, if there is no terminal.
struct Log {
    started: Instant,
    said: Option<Instant>,
    /// The number of parts done before this run, which took it no time.
    known: u64,
    /// The present part.
    doing: String,
    /// The tokens that had run before, and the most that this work may run.
    tokens: Option<[u64; 2]>,
}

/// The time between two lines.
const QUIET: Duration = Duration::from_secs(30);
/// A forecast is made after this time, or after a twentieth of the parts: the first parts say
/// little about the rest.
const SETTLED: Duration = Duration::from_secs(10);
/// The time between two looks at the tokens, on a terminal.
const LOOK: Duration = Duration::from_secs(1);
/// Work that takes less time needs no line.
const SHORT: Duration = Duration::from_secs(5);

impl Progress {
    /// Progress over `count` parts, called `of`.
    pub(crate) fn new(what: &'static str, of: &'static str, count: usize) -> Self {
        let template = format!(
            "{{prefix:>16}} {{bar:40}} {{pos}}/{{len}} {of}  {{elapsed}} so far, {{eta}} left {{msg}}"
        );
        let style = ProgressStyle::with_template(&template)
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(count as u64).with_style(style).with_prefix(what);
        let log = Log::new(Instant::now());
        let shown = Arc::new(Shown { what, of, bar, log: Mutex::new(log) });
        let mut own = Self { shown, ends: Vec::new() };
        if own.shown.bar.is_hidden() {
            own.every(QUIET, |shown| shown.say(Instant::now(), true));
        }
        own
    }

    /// The same for work that runs at most so many tokens to answer questions. Prompts do not count,
    /// so that the bound holds about.
    pub(crate) fn within(mut self, most: u64) -> Self {
        if most > 0 {
            self.shown.log().tokens = Some([tokens_run(), most]);
            if !self.shown.bar.is_hidden() {
                self.every(LOOK, Shown::look);
            }
        }
        self
    }

    fn every(&mut self, time: Duration, act: impl Fn(&Shown) + Send + 'static) {
        let (end, ended) = channel();
        self.ends.push(end);
        let shown = self.shown.clone();
        // Where the system refuses a thread, nothing is told on the way.
        let _ = std::thread::Builder::new().spawn(move || {
            while ended.recv_timeout(time) == Err(RecvTimeoutError::Timeout) {
                act(&shown);
            }
        });
    }

    /// Counts parts that an earlier run has done.
    pub(crate) fn known(&self, parts: usize) {
        self.shown.bar.inc(parts as u64);
        self.shown.bar.reset_eta();
        self.shown.log().known(Instant::now(), self.shown.bar.position(), parts as u64);
    }

    /// Counts a finished part: an earlier run's, unless something new came of it.
    pub(crate) fn one(&self, new: bool) {
        if new { self.done(1) } else { self.known(1) }
    }

    /// Names the present part.
    pub(crate) fn doing(&self, what: String) {
        self.shown.bar.set_message(what.clone());
        self.shown.log().doing = what;
    }

    /// Shows a message once.
    pub(crate) fn note(&self, line: &str) {
        if self.shown.bar.is_hidden() {
            note!("{line}");
        } else {
            self.shown.bar.println(line);
        }
    }

    /// Counts finished parts.
    pub(crate) fn done(&self, parts: usize) {
        self.shown.bar.inc(parts as u64);
        if self.shown.bar.is_hidden() {
            self.shown.say(Instant::now(), false);
        }
    }

    /// Removes the bar.
    pub(crate) fn finish(mut self) {
        self.ends.clear();
        self.shown.bar.finish_and_clear();
    }
}

impl Shown {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a line, if one is due. `still` says that nothing was finished since the last.
    fn say(&self, now: Instant, still: bool) {
        let (done, all) = (self.bar.position(), self.bar.length().unwrap_or(0));
        let mut log = self.log();
        let left = log.due(now, done, all);
        if left.is_none() && !(still && log.is_quiet(now)) {
            return;
        }
        let Self { what, of, .. } = self;
        let so_far = in_words(now - log.started);
        let tokens =
            log.tokens(now, done, tokens_run()).map_or_else(String::new, |own| format!(", {own}"));
        let left = left.map_or_else(String::new, |left| format!(", about {} left", in_words(left)));
        let doing = if log.doing.is_empty() { String::new() } else { format!(" ({})", log.doing) };
        note!("{what}: {done} of {all} {of} in {so_far}{left}{tokens}{doing}");
        log.said = Some(now);
    }

    /// Shows on the bar how fast tokens run.
    fn look(&self) {
        let log = self.log();
        let tokens = log.tokens(Instant::now(), self.bar.position(), tokens_run());
        if let Some(tokens) = tokens {
            self.bar.set_message(format!("{} {tokens}", log.doing));
        }
    }
}

impl Log {
    fn new(started: Instant) -> Self {
        Self { started, said: None, known: 0, doing: String::new(), tokens: None }
    }

    /// Parts that took no time, the last of `done` in all. Until one did, the clock does not run.
    fn known(&mut self, now: Instant, done: u64, parts: u64) {
        self.known += parts;
        if self.known == done {
            self.started = now;
        }
    }

    /// How fast tokens run, now that `ran` have run in this process; and while none of the parts is
    /// done, how long the work takes at most.
    fn tokens(&self, now: Instant, done: u64, ran: u64) -> Option<String> {
        let [before, most] = self.tokens?;
        let ran = ran.saturating_sub(before);
        let rate = ran as f64 / (now - self.started).as_secs_f64().max(1e-3);
        if ran == 0 {
            return None;
        }
        let told = format!("{ran} tokens run, {rate:.0} a second");
        if done > self.known || ran >= most {
            return Some(told);
        }
        let left = Duration::from_secs_f64((most - ran) as f64 / rate);
        Some(format!("{told}, at most about {} left", in_words(left)))
    }

    /// The time for the rest, if a line with it is due now.
    fn due(&self, now: Instant, done: u64, all: u64) -> Option<Duration> {
        let own = done.saturating_sub(self.known);
        let spent = now - self.started;
        let left = spent.mul_f64(all.saturating_sub(done) as f64 / own.max(1) as f64);
        let settled = spent >= SETTLED || own * 20 >= all.saturating_sub(self.known);
        let due = self.said.map_or(settled && left >= SHORT, |said| now - said >= QUIET);
        (own > 0 && done < all && due).then_some(left)
    }

    /// Whether the last line was long ago.
    fn is_quiet(&self, now: Instant) -> bool {
        now - self.said.unwrap_or(self.started) >= QUIET
    }
}

/// A duration in words.
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
        let mut log = Log::new(started);
        assert_eq!(log.due(after(1), 10, 100), Some(Duration::from_secs(9)));
        assert_eq!(log.due(after(1), 50, 100), None, "too short to speak of");
        assert_eq!(log.due(after(9), 4, 100), None, "too early");
        assert_eq!(log.due(after(10), 4, 100), Some(Duration::from_secs(240)));
        assert_eq!(log.due(after(1), 0, 100), None, "nothing is known yet");
        assert!(!log.is_quiet(after(29)) && log.is_quiet(after(30)), "and yet it is alive");
        log.said = Some(after(1));
        assert!(!log.is_quiet(after(30)) && log.is_quiet(after(31)));
        assert_eq!(log.due(after(30), 20, 100), None);
        assert_eq!(log.due(after(31), 20, 100), Some(Duration::from_secs(124)));
        assert_eq!(log.due(after(50), 100, 100), None, "it is done");
        // What an earlier run did says nothing of how long this one takes.
        log.known = 80;
        assert_eq!(log.due(after(50), 90, 100), Some(Duration::from_secs(50)));
    }

    /// A run that goes on looks through what is done, some of it between new work.
    #[test]
    fn what_was_done_before_takes_no_time() {
        let started = Instant::now();
        let after = |seconds| started + Duration::from_secs(seconds);
        let mut log = Log::new(started);
        (1..=20).for_each(|done| log.known(after(15), done, 1));
        assert_eq!(log.due(after(15), 20, 40), None);
        assert_eq!(log.due(after(45), 22, 40), Some(Duration::from_secs(270)));
        log.known(after(45), 31, 9);
        assert_eq!(log.due(after(45), 31, 40), Some(Duration::from_secs(135)));
    }

    /// A question may take minutes: before the first is answered, tokens say how long it may take.
    #[test]
    fn tokens_tell_what_questions_do_not_yet() {
        let started = Instant::now();
        let after = |seconds| started + Duration::from_secs(seconds);
        let mut log = Log::new(started);
        assert_eq!(log.tokens(after(30), 0, 500), None, "nothing is known of the tokens to run");
        log.tokens = Some([500, 9600]);
        assert_eq!(log.tokens(after(30), 0, 500), None, "none was run");
        let told = log.tokens(after(30), 0, 4700).unwrap();
        assert_eq!(told, "4200 tokens run, 140 a second, at most about 39 s left");
        let told = log.tokens(after(30), 1, 4700).unwrap();
        assert_eq!(told, "4200 tokens run, 140 a second", "the questions tell more");
        assert_eq!(log.tokens(after(100), 0, 10_500).unwrap(), "10000 tokens run, 100 a second");
    }

    #[test]
    fn times_are_said_in_their_own_size() {
        let said = |seconds| in_words(Duration::from_secs_f64(seconds));
        assert_eq!(
            [said(0.31), said(42.4), said(250.0), said(9000.0)],
            ["0.3 s", "42 s", "4 min", "2.5 h"]
        );
    }
}
