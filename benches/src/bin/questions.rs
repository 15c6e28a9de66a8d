//! See [`bias_benches::programs::questions`].

use std::process::ExitCode;

fn main() -> ExitCode {
    bias_benches::programs::questions::main()
}
