//! The command `bias`: one file for each subcommand, with the arguments and devices of the library.

mod app;
mod commands;

use std::process::ExitCode;

/// Tensors of megabytes are allocated and freed all the time. The system's allocator returns such
/// memory and clears it again each time, which costs more than the arithmetic.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    app::main()
}
