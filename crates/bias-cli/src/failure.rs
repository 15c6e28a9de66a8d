//! The end of a program.

use bias_files::{note, output};
use std::process::ExitCode;

/// The error that a program ends with.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Prints an error with its causes, one per line, and returns the exit code. `main` passes its
/// result to it. Output that a reader such as `head` has closed is no error; any other error of
/// standard output is one.
#[must_use]
pub fn finish(result: Result<(), Failure>) -> ExitCode {
    let result = result.and_then(|()| {
        output::written().map_err(|error| {
            let reason =
                format!("cannot write to standard output: {error}; what was printed is not whole");
            Failure::from(reason)
        })
    });
    let Err(error) = result else { return ExitCode::SUCCESS };
    note!("error: {error}");
    let mut cause = error.source();
    while let Some(own) = cause {
        note!("  because: {own}");
        cause = own.source();
    }
    ExitCode::FAILURE
}
