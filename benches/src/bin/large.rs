//! See [`bias_benches::programs::large`].

use std::process::ExitCode;

fn main() -> ExitCode {
    bias_benches::programs::large::main()
}
