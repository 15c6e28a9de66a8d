//! How a program ends.

use std::process::ExitCode;

/// What a program ends with when something goes wrong.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Prints an error with its causes, one a line, and gives the exit code: what a program's `main`
/// does with its result.
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
