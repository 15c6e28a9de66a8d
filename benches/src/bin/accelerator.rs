//! See [`bias_benches::programs::accelerator`].

use std::process::ExitCode;

fn main() -> ExitCode {
    bias_benches::programs::accelerator::main()
}
