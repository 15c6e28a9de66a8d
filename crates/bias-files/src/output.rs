//! Lines on standard output and standard error, which somebody else may have closed.
//!
//! `println!` panics where a reader such as `head` has closed the pipe. [`say!`](crate::say) ends
//! quietly: the program goes on, finishes the files that it writes, and prints nothing more.

use std::borrow::Cow;
use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Whether the reader of standard output has gone, or the first error said there.
static CLOSED: AtomicBool = AtomicBool::new(false);
static FAILED: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints a line on standard output, as `println!` does. A closed pipe ends the output quietly.
/// [`written`](crate::output::written) returns any other error, such as a full disk.
#[macro_export]
macro_rules! say {
    () => { $crate::output::line(::core::format_args!("")) };
    ($($words:tt)*) => { $crate::output::line(::core::format_args!($($words)*)) };
}

/// Prints a line on standard error, as `eprintln!` does. A line that cannot be written is dropped.
#[macro_export]
macro_rules! note {
    () => { $crate::output::aside(::core::format_args!("")) };
    ($($words:tt)*) => { $crate::output::aside(::core::format_args!($($words)*)) };
}

/// Writes a line to standard output; the function of [`say!`](crate::say). What would steer a
/// terminal is shown [escaped](harmless).
pub fn line(words: Arguments<'_>) {
    let words = words.to_string();
    put(&mut io::stdout().lock(), |out| writeln!(out, "{}", harmless(&words)));
}

/// A text of others for a terminal: control characters but for line feeds and tabs, and those that
/// change the direction of writing, as `\u{1b}` and the like.
///
/// ```
/// use bias_files::output::harmless;
///
/// assert_eq!(harmless("a\tb\nc"), "a\tb\nc");
/// assert_eq!(harmless("\u{1b}[2J\u{202e}x"), "\\u{1b}[2J\\u{202e}x");
/// ```
#[must_use]
pub fn harmless(text: &str) -> Cow<'_, str> {
    let steers = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if steers(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Writes bytes to standard output as they are, such as a page or a script.
pub fn bytes(page: &[u8]) {
    put(&mut io::stdout().lock(), |out| out.write_all(page).and_then(|()| out.flush()));
}

/// Writes a line to standard error; the function of [`note!`](crate::note). What would steer a
/// terminal is shown [escaped](harmless).
pub fn aside(words: Arguments<'_>) {
    let words = words.to_string();
    // Nobody is left to hear of an error here.
    drop(writeln!(io::stderr().lock(), "{}", harmless(&words)));
}

/// The first error of standard output other than a closed pipe. Call it when a program ends.
///
/// # Errors
/// That error.
pub fn written() -> io::Result<()> {
    put(&mut io::stdout().lock(), Write::flush);
    FAILED.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
}

fn put<W: Write>(out: &mut W, write: impl FnOnce(&mut W) -> io::Result<()>) {
    if CLOSED.load(Ordering::Relaxed) {
        return;
    }
    let Err(error) = write(out) else { return };
    CLOSED.store(true, Ordering::Relaxed);
    if error.kind() != ErrorKind::BrokenPipe {
        FAILED.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}
