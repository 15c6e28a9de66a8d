//! See [`bias_benches::programs::hosted`].

use std::process::ExitCode;

fn main() -> ExitCode {
    bias_benches::programs::hosted::main()
}
