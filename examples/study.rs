//! The main job: from a model folder to a transfer matrix and a report.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use bias_core::Context;
use bias_examples::cli::{Failure, ModelArgs, PromptArgs, finish};
use bias_examples::on_device;
use bias_model::Decoding;
use bias_study::{
    FIGURES, PromptSet, Results, Settings, Study, StudyOptions, figures, markdown, report, tables, write,
};
use burn::tensor::backend::AutodiffBackend;
use clap::Parser;

/// Audit a model for racial bias, find what carries it, prune that, and audit again.
///
/// Every context is used for attribution in turn and tested in all. Without arguments
/// the embedded model is studied. Results go to the terminal, and to results.json,
/// report.html, figures/ and masks/ in the output folder.
#[derive(Parser)]
#[command(after_help = "Examples:
  study                                      the embedded model
  study --quick                              the same in short: fewer names and masks
  study --model ~/my-model --prompts my.csv  your own checkpoint and questions")]
struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    prompts: PromptArgs,
    /// Folder for results.json, report.html, figures/ and masks/
    #[arg(long, value_name = "DIR", default_value = "study-out")]
    out: PathBuf,
    /// Fewer names, fewer resamples, no prompt-specific masks
    #[arg(long)]
    quick: bool,
    /// Only make tables and report again, from a results.json of an earlier run
    #[arg(long, value_name = "FILE")]
    render: Option<PathBuf>,
    /// Also write the tables as a Markdown page
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Contexts of the named experiments: attributed on, tested on
    #[arg(long, value_name = "FROM,TO", value_parser = focus)]
    focus: Option<[Context; 2]>,
    /// Neutral text for perplexity, one text a line; `neutral.txt` in the model's folder by default
    #[arg(long, value_name = "FILE")]
    neutral: Option<PathBuf>,
}

fn focus(text: &str) -> Result<[Context; 2], String> {
    let (from, to) = text.split_once(',').ok_or("two contexts are needed, as in `financial,commercial`")?;
    let parse = |name: &str| name.parse::<Context>().map_err(|e| e.to_string());
    Ok([parse(from)?, parse(to)?])
}

fn main() -> ExitCode {
    let args = Args::parse();
    finish(run(&args))
}

fn run(args: &Args) -> Result<(), Failure> {
    let started = Instant::now();
    if let Some(path) = &args.render {
        return present(args, &Results::load(path)?);
    }
    let mut prompts = args.prompts.load(&args.model)?;
    if let Some(absent) = args.focus.iter().flatten().find(|c| prompts.index_of(c.as_str()).is_none()) {
        return Err(format!("--focus: the prompts have no context `{absent}`").into());
    }
    if args.quick {
        prompts.thin(QUICK_NAMES / 2, QUICK_NAMES / 2);
    }
    let results = on_device!(args.model.device, |B, device| study::<B>(args, &prompts, &device))?;
    results.save(&args.out.join("results.json"))?;
    present(args, &results)?;
    println!(
        "Finished in {:.0} s. {} holds results.json, masks/, figures/ and report.html: open that one in a browser.",
        started.elapsed().as_secs_f64(),
        args.out.display()
    );
    Ok(())
}

fn present(args: &Args, results: &Results) -> Result<(), Failure> {
    write(&args.out.join("report.html"), report(results)?.as_bytes())?;
    let folder = args.out.join(FIGURES);
    for figure in figures(results)? {
        write(&folder.join(format!("{}.csv", figure.name)), figure.csv.as_bytes())?;
        if let Some(svg) = &figure.svg {
            write(&folder.join(format!("{}.svg", figure.name)), svg.as_bytes())?;
        }
    }
    if let Some(path) = &args.markdown {
        write(path, markdown(results).as_bytes())?;
    }
    println!("{}", tables(results));
    Ok(())
}

/// Names per group in the short form.
const QUICK_NAMES: usize = 10;

fn study<A: AutodiffBackend>(
    args: &Args,
    prompts: &PromptSet,
    device: &<A::InnerBackend as burn::tensor::backend::BackendTypes>::Device,
) -> Result<Results, Failure> {
    let model = args.model.load::<A::InnerBackend>(device)?;
    let options = StudyOptions {
        settings: Settings {
            seed: args.model.seed,
            decoding: args.model.decoding(Decoding::exact_within(1e-2)),
            resamples: if args.quick { 500 } else { 2000 },
            quick: args.quick,
            ..Settings::default()
        },
        focus: args.focus.clone(),
        neutral: args.model.neutral(args.neutral.as_deref())?,
        threads: args.model.device.threads(),
        masks: Some(args.out.join("masks")),
    };
    Ok(Study::<A>::new(model, &args.model.name(), prompts, options)?.run()?)
}
