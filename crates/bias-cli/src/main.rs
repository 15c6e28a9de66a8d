//! The command `bias`: a file for each subcommand, on the arguments and devices of the library
//! beside it.

mod app;
mod commands;

use std::process::ExitCode;

/// Tensors come and go by the megabyte; the system's allocator gives such memory back and
/// has it cleared again each time, which costs more than the arithmetic.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    app::main()
}
