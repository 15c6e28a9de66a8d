//! See [`bias_benches::programs::speed`].

use std::process::ExitCode;

fn main() -> ExitCode {
    bias_benches::programs::speed::main()
}
