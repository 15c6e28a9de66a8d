//! See [`bias_benches::programs::load_memory`].

use std::process::ExitCode;

fn main() -> ExitCode {
    bias_benches::programs::load_memory::main()
}
