//! What does collecting statistics cost beside the forward pass itself?

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use crate::{Failure, finish};
use bias_files::say;
use bias_model::{Checkpoint, Decoder, HookedModel as _, ModelConfig, Precision};
use bias_probe::stats::SquareSums;
use bias_probe::{NoObserver, Observer, Sequence, StatsCollector, TokenBatch};
use bias_types::TokenRole;
use burn::backend::Flex;
use clap::Parser;

/// Time forward passes with and without statistics, and print the ratios of the medians as a
/// Markdown table.
///
/// The program takes three kinds of pass in turn: without an observer, with the sums of squares
/// that Wanda needs, and with the statistics of two groups. The statistics are collected at the
/// input of every matrix.
#[derive(Parser)]
struct Args {
    /// Model folder, such as `random_model` writes
    #[arg(value_name = "DIR")]
    model: PathBuf,
    /// Prompts per batch
    #[arg(long, default_value_t = 16)]
    rows: usize,
    /// Tokens per prompt
    #[arg(long, default_value_t = 64)]
    width: usize,
    /// Number of rounds; each times all three kinds
    #[arg(long, default_value_t = 7)]
    rounds: usize,
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    finish(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let config = ModelConfig::from_folder(&args.model)?;
    let vocab = config.dims.vocab;
    let checkpoint = Checkpoint::open(&args.model)?;
    let model = Decoder::<Flex>::load(&checkpoint, config, Precision::F32, &Default::default())?;
    let sequence = |row: usize| {
        let tokens = (0..args.width).map(|i| ((row * 31 + i * 7) % vocab) as u32).collect();
        Sequence::chain(tokens, vec![TokenRole::Prompt; args.width])
    };
    let batch = TokenBatch::new(&(0..args.rows).map(sequence).collect::<Result<Vec<_>, _>>()?)?;
    let sites: Vec<_> = model
        .dims()
        .projections()
        .map(|(_, layer, p)| model.dims().statistics_site(layer, p))
        .collect();
    let time = |observer: &mut dyn Observer<Flex>| -> Result<f64, Failure> {
        let started = Instant::now();
        model.hidden(&batch, observer)?;
        Ok(started.elapsed().as_secs_f64())
    };
    time(&mut NoObserver)?;
    let mut seconds = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..args.rounds {
        seconds[0].push(time(&mut NoObserver)?);
        seconds[1].push(time(&mut SquareSums::linear_inputs(model.dims()))?);
        let mut stats = StatsCollector::new(sites.iter().copied(), ["a", "b"]);
        stats.next((0..args.rows).map(|row| row % 2))?;
        seconds[2].push(time(&mut stats)?);
    }
    for own in &mut seconds {
        own.sort_by(f64::total_cmp);
    }
    let median = |own: &[f64]| own[own.len() / 2];
    let plain = median(&seconds[0]);
    say!(
        "| forward pass of {} × {} tokens | seconds | of the plain pass | spread |",
        args.rows,
        args.width
    );
    say!("|---|---|---|---|");
    for (name, own) in
        ["plain", "sums of squares", "sums and squares, two groups"].iter().zip(&seconds)
    {
        let spread = (own[own.len() - 1] - own[0]) / median(own);
        say!(
            "| {name} | {:.4} | {:.3} | {:.0} % |",
            median(own),
            median(own) / plain,
            spread * 100.0
        );
    }
    Ok(())
}
