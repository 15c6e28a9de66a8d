//! See [`bias_benches::programs::random_model`].

use std::process::ExitCode;

fn main() -> ExitCode {
    bias_benches::programs::random_model::main()
}
