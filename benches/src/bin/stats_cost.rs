//! See [`bias_benches::programs::stats_cost`].

use std::process::ExitCode;

fn main() -> ExitCode {
    bias_benches::programs::stats_cost::main()
}
