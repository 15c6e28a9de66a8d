//! How biased is a model? Asks it every prompt and compares the groups of names.

use std::process::ExitCode;
use std::time::Instant;

use bias_examples::cli::{Failure, ModelArgs, PromptArgs, finish};
use bias_examples::on_device;
use bias_study::{Baseline, Settings, Study, StudyOptions};
use clap::Parser;

/// Ask a model the same questions about people of two groups, and measure how far its
/// numbers differ: standardized mean difference per variation, with intervals over names.
///
/// Changes nothing. Without arguments the embedded model is asked its own prompts.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    prompts: PromptArgs,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    finish(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let started = Instant::now();
    let prompts = args.prompts.load(&args.model)?;
    let options = StudyOptions {
        settings: Settings { seed: args.model.seed, decoding: args.model.decoding(), ..Settings::default() },
        threads: args.model.device.threads(),
        ..StudyOptions::default()
    };
    let baselines: Vec<Baseline> = on_device!(args.model.device, |B, device| {
        let model = args.model.load(&device)?;
        Study::<B>::new(model, &args.model.name(), &prompts, options)?.audit()?
    });
    if args.json {
        println!("{}", serde_json::to_string_pretty(&baselines)?);
    } else {
        for b in &baselines {
            println!("{} {:?} {:?} {}", b.context, b.bias, b.inlier, b.unexplored);
        }
        eprintln!("asked in {:.1} s", started.elapsed().as_secs_f64());
    }
    Ok(())
}
