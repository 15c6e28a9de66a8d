//! Your own attribution method through the trait, in a crate of your own.

use std::process::ExitCode;

use bias_attrib::{Attribution as _, Contrast};
use bias_examples::cli::{Failure, ModelArgs, PromptArgs, finish, share};
use bias_examples::norm_gap::NormGap;
use bias_examples::on_device;
use bias_mask::{Intervention, Mask, top_fraction};
use bias_model::Decoding;
use bias_study::{Settings, Study, StudyOptions};
use clap::Parser;

/// Score with a method that is not part of the workspace (examples/src/norm_gap.rs), prune, and
/// see what it did.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    prompts: PromptArgs,
    /// Share of each matrix to prune
    #[arg(long, value_name = "SHARE", default_value_t = 0.002, value_parser = share)]
    budget: f64,
}

fn main() -> ExitCode {
    finish(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let prompts = args.prompts.load(&args.model)?;
    let threads = args.model.weights.device.threads();
    on_device!(args.model.weights.device.place()?, |B, device| {
        let settings = Settings {
            seed: args.model.seed,
            decoding: args.model.decoding(Decoding::exact_within(1e-2)),
            ..Settings::default()
        };
        let options = StudyOptions { settings, threads, ..StudyOptions::default() };
        let mut study = Study::<B>::new(args.model.load(&device)?, &args.model.name(), &prompts, options)?;
        let before = study.audit()?;
        let contrast = Contrast::pooled(&study.contrasts(0)?);
        let scores = NormGap.attribute(study.model().model(), &contrast)?;
        let mut mask = Mask::default();
        for own in &scores {
            mask.insert(own.path().clone(), top_fraction(own, args.budget)?)?;
        }
        let undo = mask.apply(study.model_mut().model_mut(), Intervention::Zero)?;
        let after = study.audit()?;
        undo.revert(study.model_mut().model_mut())?;
        println!("{} weights pruned, attributed on {}", mask.count(), prompts.contexts[0].context);
        println!("{:<14} mean |SMD| before    after", "context");
        for (b, a) in before.iter().zip(&after) {
            println!("{:<14} {:>17.2} {:>8.2}", b.context.as_str(), b.bias.value, a.bias.value);
        }
        Ok(())
    })
}
