//! Lines on standard output and standard error, which somebody else may have closed.
//!
//! `println!` panics where a reader such as `head` has closed the pipe. [`say!`](crate::say) ends
//! quietly: the program goes on, finishes the files that it writes, and prints nothing more.

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

/// Writes a line to standard output; the function of [`say!`](crate::say).
pub fn line(words: Arguments<'_>) {
    put(&mut io::stdout().lock(), |out| out.write_fmt(format_args!("{words}\n")));
}

/// Writes bytes to standard output as they are, such as a page or a script.
pub fn bytes(page: &[u8]) {
    put(&mut io::stdout().lock(), |out| out.write_all(page).and_then(|()| out.flush()));
}

/// Writes a line to standard error; the function of [`note!`](crate::note).
pub fn aside(words: Arguments<'_>) {
    // Nobody is left to hear of an error here.
    drop(io::stderr().lock().write_fmt(format_args!("{words}\n")));
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
