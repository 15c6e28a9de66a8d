//! See [`bias_benches::programs::experts`].

use std::process::ExitCode;

fn main() -> ExitCode {
    bias_benches::programs::experts::main()
}
