//! See [`bias_benches::programs::price`].

use std::process::ExitCode;

fn main() -> ExitCode {
    bias_benches::programs::price::main()
}
