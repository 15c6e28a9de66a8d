//! Runs every target on its seeds and on changed seeds, for a while, and tells what went wrong.

#![allow(clippy::unwrap_used, reason = "a program for tests")]

mod findings;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bias_fuzz::{TARGETS, Target, mutated};
use clap::Parser;
use peak_alloc::PeakAlloc;

use crate::findings::Findings;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Feed damaged files and answers to everything that reads them.
///
/// The same numbers give the same inputs. An input that panics, takes more than a second, or more
/// memory than 64 MiB and four times its size, is kept as a file and named; the exit code is then 1.
#[derive(Parser)]
#[command(name = "fuzz")]
struct Args {
    /// Seconds for all targets together; by default what the variable FUZZ_SECONDS says, or 60
    #[arg(long, value_name = "N")]
    seconds: Option<f64>,
    /// Run only this target; may be repeated
    #[arg(long, value_name = "NAME")]
    target: Vec<String>,
    /// The number of the first change of the seeds
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u64,
    /// Where to keep inputs that were found
    #[arg(long, value_name = "DIR", default_value = "found")]
    out: PathBuf,
    /// Instead, write the seeds of the target that is named here, a file each
    #[arg(long, value_name = "DIR", requires = "target")]
    save_seeds: Option<PathBuf>,
    /// Run these inputs only, of the one target that is named
    #[arg(value_name = "FILE", requires = "target")]
    files: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let wanted =
        |own: &&Target| args.target.is_empty() || args.target.iter().any(|name| name == own.name);
    let targets: Vec<&Target> = TARGETS.iter().filter(wanted).collect();
    if targets.is_empty() {
        eprintln!("error: there are these targets: {}", names());
        return ExitCode::from(2);
    }
    if let Some(folder) = &args.save_seeds {
        std::fs::create_dir_all(folder).unwrap();
        for (at, seed) in targets.iter().flat_map(|own| (own.seeds)()).enumerate() {
            std::fs::write(folder.join(format!("seed-{at}")), seed).unwrap();
        }
        return ExitCode::SUCCESS;
    }
    let mut findings = Findings::new(&args.out);
    if !args.files.is_empty() {
        for path in &args.files {
            let bytes = std::fs::read(path).unwrap();
            targets.iter().for_each(|own| findings.run(own, &bytes));
        }
        return findings.code();
    }
    let variable = || std::env::var("FUZZ_SECONDS").ok()?.parse().ok();
    let seconds = args.seconds.or_else(variable).unwrap_or(60.0);
    let each = Duration::from_secs_f64(seconds.max(0.0) / targets.len() as f64);
    println!(
        "{:<18} {:>10} {:>10} {:>12} {:>12}",
        "target", "inputs", "per s", "slowest", "memory"
    );
    for target in targets {
        let seeds = (target.seeds)();
        let (started, mut inputs) = (Instant::now(), 0u64);
        seeds.iter().for_each(|seed| findings.run(target, seed));
        while started.elapsed() < each {
            findings.run(target, &mutated(&seeds, args.from + inputs));
            inputs += 1;
        }
        let (slowest, most) = findings.of_target();
        println!(
            "{:<18} {:>10} {:>10.0} {:>9.1} ms {:>8.1} MiB",
            target.name,
            inputs + seeds.len() as u64,
            inputs as f64 / started.elapsed().as_secs_f64(),
            1e3 * slowest.as_secs_f64(),
            most as f64 / f64::from(1 << 20),
        );
    }
    findings.code()
}

fn names() -> String {
    TARGETS.iter().map(|own| own.name).collect::<Vec<_>>().join(", ")
}
