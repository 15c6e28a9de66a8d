//! Whether intervals cover and tests reject as often as they say, on data whose truth is known.

use std::process::ExitCode;

use bias_examples::cli::{Failure, at_least, finish, share};
use bias_metrics::effect::smd_resampled;
use bias_metrics::inference::{Ends, mann_whitney, welch};
use bias_metrics::{Arm, Bootstrap, NameMoments, Permutation, Weighting, smd};
use clap::Parser;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Simulate names whose answers hang together, and count how often 95 % intervals of the standardized mean
/// difference hold it, and how often tests at 5 % reject when there is none.
///
/// Beside what this project uses stands what the public code of the paper does: every answer for itself, as if
/// answers about one name were independent.
#[derive(Parser)]
struct Args {
    /// Names of each group; several give a table each
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [10, 20, 40], value_parser = at_least(2))]
    names: Vec<usize>,
    /// Answers drawn for each name
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = at_least(2))]
    answers: usize,
    /// Share of the variance of answers that lies between names
    #[arg(long, value_name = "SHARE", default_value_t = 0.3, value_parser = share)]
    between: f64,
    /// True difference of the groups in deviations of the answers, where intervals are concerned
    #[arg(long, default_value_t = 0.5, value_parser = finite)]
    gap: f64,
    /// How often to simulate
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..))]
    simulations: u64,
    /// Resamples of each interval, labellings of each permutation test
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = at_least(1))]
    resamples: usize,
    /// Seed of everything random
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn finite(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|e| format!("{e}"))?;
    if value.is_finite() { Ok(value) } else { Err("a finite number is needed".into()) }
}

fn main() -> ExitCode {
    finish(run(&Args::parse()))
}

/// One number for each simulated study and method: whether the interval covers, or the test rejects.
const INTERVALS: [&str; 5] = [
    "percentile, widened, over names (the default)",
    "BCa, widened, over names",
    "percentile, over names",
    "BCa, over names",
    "percentile, over answers",
];
const TESTS: [&str; 6] = [
    "permutation of names",
    "Welch, names' means",
    "Mann–Whitney, names' means",
    "permutation of answers",
    "Welch, answers",
    "Mann–Whitney, answers",
];

fn run(args: &Args) -> Result<(), Failure> {
    println!(
        "{} simulations, {} answers for each name, {:.0} % of their variance between names, difference {}.\n\n\
         | | {} |\n|---|{}",
        args.simulations,
        args.answers,
        100.0 * args.between,
        args.gap,
        args.names.iter().map(|n| format!("2 × {n} names")).collect::<Vec<_>>().join(" | "),
        "---|".repeat(args.names.len())
    );
    let mut columns = Vec::new();
    for &names in &args.names {
        let all: Vec<Vec<bool>> = (0..args.simulations)
            .into_par_iter()
            .map(|i| simulate(args, names, args.seed.wrapping_add(i)))
            .collect::<Result<_, Failure>>()?;
        columns.push(all);
    }
    let titles = INTERVALS.iter().map(|own| format!("covered by {own}"));
    let titles = titles.chain(TESTS.iter().map(|own| format!("rejected by {own}")));
    for (row, title) in titles.enumerate() {
        let shares = columns.iter().map(|all| {
            let yes = all.iter().filter(|own| own[row]).count();
            format!("{:.1}%", 100.0 * yes as f64 / all.len() as f64)
        });
        println!("| {title} | {} |", shares.collect::<Vec<_>>().join(" | "));
    }
    Ok(())
}

/// Answers of every name, those of A above the others' by `gap`.
fn answers(args: &Args, names: usize, gap: f64, rng: &mut ChaCha8Rng) -> Vec<(Arm, Vec<f64>)> {
    let (between, within) = (args.between.sqrt(), (1.0 - args.between).sqrt());
    let mut name = |arm: Arm| {
        let own = between * normal(rng) + if arm == Arm::A { gap } else { 0.0 };
        (arm, (0..args.answers).map(|_| own + within * normal(rng)).collect())
    };
    (0..names).flat_map(|_| [Arm::A, Arm::B]).map(&mut name).collect()
}

/// A standard normal variate (Box and Muller 1958).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

fn simulate(args: &Args, names: usize, seed: u64) -> Result<Vec<bool>, Failure> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let moments = |all: &[(Arm, Vec<f64>)]| -> Vec<NameMoments> {
        let of = |values: &[f64]| values.iter().map(|v| (*v, 1.0)).collect::<Vec<_>>();
        all.iter().map(|(arm, values)| NameMoments::of(*arm, &of(values))).collect()
    };
    let single = |all: &[(Arm, Vec<f64>)]| -> Vec<(Arm, Vec<f64>)> {
        all.iter().flat_map(|(arm, values)| values.iter().map(|v| (*arm, vec![*v]))).collect()
    };

    let mut found = Vec::new();
    let unequal = answers(args, names, args.gap, &mut rng);
    let covers = |all: &[(Arm, Vec<f64>)], ends, widened| {
        let table = moments(all);
        let arms: Vec<Arm> = table.iter().map(|own| own.arm).collect();
        let bootstrap = Bootstrap::new(seed).resamples(args.resamples)?.ends(ends).widened(widened);
        let statistic = |picks: &[usize]| smd_resampled(&table, picks, Weighting::Draws).ok()?.value();
        let own = bootstrap.interval(&arms, statistic)?;
        Ok::<_, Failure>(own.low <= args.gap && args.gap <= own.high)
    };
    for widened in [true, false] {
        found.push(covers(&unequal, Ends::Percentile, widened)?);
        found.push(covers(&unequal, Ends::Bca, widened)?);
    }
    found.push(covers(&single(&unequal), Ends::Percentile, false)?);

    let alike = answers(args, names, 0.0, &mut rng);
    for all in [&alike, &single(&alike)] {
        let table = moments(all);
        let arms: Vec<Arm> = table.iter().map(|own| own.arm).collect();
        let relabelled = |arms: &[Arm]| {
            let own: Vec<NameMoments> =
                table.iter().zip(arms).map(|(own, arm)| NameMoments { arm: *arm, ..*own }).collect();
            smd(&own, Weighting::Draws).ok()?.value()
        };
        let permutation = Permutation::new(seed).labellings(args.resamples)?.test(&arms, relabelled)?;
        let means = |arm| table.iter().filter(|own| own.arm == arm).map(|own| own.mean).collect::<Vec<_>>();
        let (a, b) = (means(Arm::A), means(Arm::B));
        let p = [permutation.p, welch(&a, &b)?.p, mann_whitney(&a, &b)?.p];
        found.extend(p.map(|p| p <= 0.05));
    }
    Ok(found)
}
