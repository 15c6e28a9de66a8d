//! Measures how biased a model is: asks it every prompt and compares the groups of names.

mod advice;
mod groups;
#[cfg(feature = "hosted")]
mod hosted;
mod table;

use std::path::PathBuf;
use std::time::Instant;

use bias_cli::args::also::ByArgs;
use bias_cli::args::model::ModelArgs;
use bias_cli::args::prompts::PromptArgs;
use bias_cli::failure::Failure;
use bias_cli::files::writable;
use bias_cli::on_device;
use bias_files::{note, say};
use bias_model::Decoding;
use bias_study::results::{Baseline, GroupDifferences};
use bias_study::{PromptSet, Settings, Study, StudyOptions};

use self::advice::{Asked, advice};
use self::groups::groups;
use self::table::{differs, show};

/// Ask a model the same questions about people of two groups, and measure how far its numbers
/// differ.
///
/// The result is the standardized mean difference (SMD) per variation, with intervals over names.
/// With --by, all groups of an attribute are compared as well, two at a time and together.
///
/// An audit changes nothing. Inside a clone of the project's repository, it asks the embedded model
/// the prompts of that model if you name no other. Elsewhere, name --model and --prompts.
///
/// With --hosted, it asks a model behind an HTTP interface instead, whose weights nobody needs to
/// have.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    prompts: PromptArgs,
    #[command(flatten)]
    by: ByArgs,
    #[cfg(feature = "hosted")]
    #[command(flatten, next_help_heading = "Models behind an HTTP interface")]
    hosted: hosted::HostedArgs,
    /// Also write every answer to this CSV file: name, probability (or number of draws), text, and
    /// what was read in it
    #[arg(long, value_name = "CSV")]
    answers: Option<PathBuf>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// With --by, the JSON of an audit.
#[derive(serde::Serialize)]
struct Both<'b> {
    baseline: &'b [Baseline],
    groups: &'b [GroupDifferences],
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let started = Instant::now();
    if let Some(path) = &args.answers {
        writable(path)?;
    }
    #[cfg(feature = "hosted")]
    if let Some(model) = &args.hosted.hosted {
        let asked = hosted::Request {
            model: &args.model,
            prompts: &args.prompts,
            by: &args.by,
            hosted: &args.hosted,
            answers: args.answers.as_deref(),
        };
        let Some((prompts, baselines, differences)) = hosted::audit(&asked, model)? else {
            return Ok(());
        };
        return tell(args, &prompts, &baselines, &differences, started);
    }
    let prompts = args.prompts.load_by(&args.model, &args.by.by)?;
    let options = StudyOptions {
        settings: Settings {
            seed: args.model.seed,
            decoding: args.model.decoding(Decoding::exact()),
            choice: args.prompts.choice_value,
            ..Settings::default()
        },
        threads: args.model.weights.device.threads(),
        ..StudyOptions::default()
    };
    let (baselines, differences): (Vec<Baseline>, Vec<GroupDifferences>) =
        on_device!(args.model.weights.device.place()?, |B, device| {
            let model = args.model.load(&prompts, &device)?;
            let mut study = Study::<B>::new(model, &args.model.name()?, &prompts, options)?;
            let baselines = study.audit()?;
            if let Some(path) = &args.answers {
                study.save_answers(path)?;
                note!("wrote every answer to {}", path.display());
            }
            (baselines, study.group_differences()?)
        });
    tell(args, &prompts, &baselines, &differences, started)
}

/// Prints what an audit found.
fn tell(
    args: &Args,
    prompts: &PromptSet,
    baselines: &[Baseline],
    differences: &[GroupDifferences],
    started: Instant,
) -> Result<(), Failure> {
    let asked = Asked {
        max_new_tokens: args.model.max_new_tokens,
        told_template: !args.model.chat.template_arg.is_empty(),
        answers: args.answers.is_some(),
    };
    if args.json {
        match args.by.by.is_empty() {
            true => say!("{}", serde_json::to_string_pretty(baselines)?),
            false => say!(
                "{}",
                serde_json::to_string_pretty(&Both { baseline: baselines, groups: differences })?
            ),
        }
        for own in baselines.iter().filter(|own| !own.variations.iter().any(differs)) {
            note!(
                "{}: nothing to compare. {}",
                own.context,
                advice(own, &asked).unwrap_or_default()
            );
        }
    } else {
        baselines
            .iter()
            .for_each(|own| show(own, &prompts.groups, args.prompts.choice_value, &asked));
        differences.iter().for_each(|own| say!("{}", groups(own)));
        note!("asked in {:.1} s", started.elapsed().as_secs_f64());
    }
    if !baselines.iter().any(|own| own.variations.iter().any(differs)) {
        return Err(
            "no context has a difference to measure; each context's line says what to try".into()
        );
    }
    Ok(())
}
