//! The command `bias`. What it is made of is the library beside it.

use std::process::ExitCode;

/// Tensors come and go by the megabyte; the system's allocator gives such memory back and
/// has it cleared again each time, which costs more than the arithmetic.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    bias_cli::app::main()
}
