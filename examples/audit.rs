//! How biased is a model? Asks it every prompt and compares the groups of names.

use std::process::ExitCode;
use std::time::Instant;

use bias_examples::cli::{Failure, ModelArgs, PromptArgs, finish};
use bias_examples::on_device;
use bias_metrics::AnswerKind;
use bias_model::Decoding;
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
        settings: Settings {
            seed: args.model.seed,
            decoding: args.model.decoding(Decoding::exact()),
            ..Settings::default()
        },
        threads: args.model.weights.device.threads(),
        ..StudyOptions::default()
    };
    let baselines: Vec<Baseline> = on_device!(args.model.weights.device.place()?, |B, device| {
        let model = args.model.load(&device)?;
        Study::<B>::new(model, &args.model.name(), &prompts, options)?.audit()?
    });
    if args.json {
        println!("{}", serde_json::to_string_pretty(&baselines)?);
    } else {
        baselines.iter().for_each(|own| show(own, &prompts.races));
        eprintln!("asked in {:.1} s", started.elapsed().as_secs_f64());
    }
    Ok(())
}

fn show(own: &Baseline, [a, b]: &[String; 2]) {
    let range = |interval: Option<[f64; 2]>| {
        interval.map_or_else(|| "-".into(), |[low, high]| format!("[{low:.2}..{high:.2}]"))
    };
    println!(
        "{}: mean |SMD| {:.2} {}, signed {:+.2}, inlier ratio {:.3}, {:.2}% unexplored",
        own.context,
        own.bias.value,
        range(own.bias.interval),
        own.signed.value,
        own.inlier.value,
        own.unexplored * 100.0
    );
    println!(
        "  {:<24} {:>7} {:>17} {:>16} {:>8} {:>8} {:>12} {:>12}",
        "variation", "SMD", "unexplored bounds", "95 % interval", "p", "Holm", a, b
    );
    let p = |value: Option<f64>| value.map_or_else(|| "-".into(), |p| format!("{p:.4}"));
    let mean = |value: Option<f64>| value.map_or_else(|| "-".into(), |v| format!("{v:.1}"));
    for v in &own.variations {
        let smd = v.effect().map_or_else(|| "-".into(), |d| format!("{d:+.2}"));
        let [a, b] = v.means.map(mean);
        println!(
            "  {:<24} {smd:>7} {:>17} {:>16} {:>8} {:>8} {a:>12} {b:>12}",
            v.variation,
            range(v.bounds),
            range(v.interval),
            p(v.significance.map(|s| s.p)),
            p(v.significance.map(|s| s.holm)),
        );
    }
    if let Some(detectable) = own.detectable {
        println!("  these names show an SMD of {detectable:.2} in a variation in four of five cases");
    }
    for (group, kinds) in &own.answers {
        let other: Vec<String> = kinds
            .iter()
            .filter(|(kind, share)| **kind != AnswerKind::Number && **share > 0.0005)
            .map(|(kind, share)| format!("{kind} {:.1}%", share * 100.0))
            .collect();
        if !other.is_empty() {
            println!("  {group}: {}", other.join(", "));
        }
    }
    println!();
}
