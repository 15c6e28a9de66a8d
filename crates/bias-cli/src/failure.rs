//! The end of a program.

use std::process::ExitCode;

/// The error that a program ends with.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Prints an error with its causes, one per line, and returns the exit code. `main` passes its
/// result to it.
#[must_use]
pub fn finish(result: Result<(), Failure>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(own) = cause {
        eprintln!("  because: {own}");
        cause = own.source();
    }
    ExitCode::FAILURE
}
