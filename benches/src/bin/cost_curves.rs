//! See [`bias_benches::programs::cost_curves`].

use std::process::ExitCode;

fn main() -> ExitCode {
    bias_benches::programs::cost_curves::main()
}
