//! Measures how biased a model is: asks it every prompt and compares the groups of names.

mod advice;
mod args;
mod groups;
#[cfg(feature = "hosted")]
mod hosted;
mod present;
mod recorded;
mod table;

use std::time::Instant;

use bias_cli::failure::Failure;
use bias_cli::files::writable;
use bias_cli::on_device;
use bias_files::note;
use bias_model::Decoding;
use bias_study::results::{Baseline, GroupDifferences};
use bias_study::{PromptSet, Settings, Study, StudyOptions};

use self::advice::Asked;
pub(crate) use self::args::Args;
use self::present::{Audited, present};

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let started = Instant::now();
    if let Some(path) = &args.save_answers {
        writable(path)?;
    }
    // clap asks for no company of an option that another one conflicts with.
    #[cfg(feature = "hosted")]
    if let (None, Some(option)) = (&args.hosted.hosted, args.hosted.first_given()) {
        return Err(format!("{option} is about a server; name its model with --hosted").into());
    }
    if args.answers.is_none() && !args.of.is_empty() {
        return Err("--of is about a file of answers; name it with --answers".into());
    }
    if let Some(path) = &args.answers {
        return recorded::run(args, path);
    }
    #[cfg(feature = "hosted")]
    if let Some(model) = &args.hosted.hosted {
        let asked = hosted::Request {
            model: &args.model,
            prompts: &args.prompts,
            by: &args.by,
            hosted: &args.hosted,
            answers: args.save_answers.as_deref(),
        };
        let Some((prompts, baselines, differences)) = hosted::audit(&asked, model)? else {
            return Ok(());
        };
        return tell(args, model.clone(), &prompts, baselines, differences, started);
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
            if let Some(path) = &args.save_answers {
                study.save_answers(path)?;
                note!("wrote every answer to {}", path.display());
            }
            (baselines, study.group_differences()?)
        });
    tell(args, args.model.name()?, &prompts, baselines, differences, started)
}

/// Prints what an audit found.
fn tell(
    args: &Args,
    model: String,
    prompts: &PromptSet,
    baselines: Vec<Baseline>,
    differences: Vec<GroupDifferences>,
    started: Instant,
) -> Result<(), Failure> {
    let asked = Asked {
        max_new_tokens: args.model.max_new_tokens,
        told_template: !args.model.chat.template_arg.is_empty(),
        answers: args.save_answers.is_some(),
        recorded: false,
    };
    let audited = Audited { model, groups: prompts.groups.clone(), baselines, differences };
    present(args, &[audited], &asked)?;
    if !args.json {
        note!("asked in {:.1} s", started.elapsed().as_secs_f64());
    }
    Ok(())
}
