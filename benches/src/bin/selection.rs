//! See [`bias_benches::programs::selection`].

use std::process::ExitCode;

fn main() -> ExitCode {
    bias_benches::programs::selection::main()
}
