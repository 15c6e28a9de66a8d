//! The complete study: from a model folder to a transfer matrix and a report.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bias_cli::args::also::{AlsoArgs, ByArgs};
use bias_cli::args::model::ModelArgs;
use bias_cli::args::prompts::{PromptArgs, warn_of_split};
use bias_cli::args::values::at_least;
use bias_cli::failure::Failure;
use bias_cli::files::{keeps_own, writable};
use bias_cli::on_device;
use bias_files::{note, say};
use bias_frameworks::ItemSet;
use bias_model::Decoding;
use bias_study::report::{FIGURES, compared, figures, markdown, timing_table};
use bias_study::results::Timing;
use bias_study::run::{Manifest, Shard, in_words};
use bias_study::store::{Provenance, merge, write};
use bias_study::{
    Experiment, Plan, PromptSet, Results, Settings, Study, StudyOptions, report, tables,
};
use bias_types::prompt::Context;
use burn::tensor::backend::AutodiffBackend;

/// Audit a model for bias between two groups of people, find what carries it, prune that, and audit
/// again.
///
/// A study attributes on every context in turn, and tests the masks in all contexts. Inside a clone
/// of the project's repository, it studies the embedded model if you name no other; elsewhere, name
/// --model and --prompts. Results go to the terminal and to the output folder:
/// results.json, report.html, figures/ and masks/. Every finished step goes to pieces/. If a study
/// stops, start it again and it continues where it stopped. manifest.json makes the folder a bundle
/// that `bias verify` checks.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  bias study                                      the embedded model, in a clone of the repository
  bias study --quick                              the short form: fewer names and masks
  bias study --model ~/my-model --prompts my.csv  your own checkpoint and questions
  bias study --experiments all                    also layer by layer, and alternatives to pruning
  bias study --recognition                        also whether masks make the model blind to names
  bias study --compare a/results.json b/results.json
                                                  studies of several models side by side

In parts, on as many machines as you like (a Slurm array or an indexed job counts the index):
  bias study --shard 0/3 --out part0              … and 1/3, 2/3
  bias study --merge part0 part1 part2            puts the parts together, and does what is missing")]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    prompts: PromptArgs,
    #[command(flatten)]
    by: ByArgs,
    #[command(flatten)]
    also: AlsoArgs,
    /// Folder for all results; if it holds the same study, that study continues
    #[arg(long, value_name = "DIR", default_value = "study-out")]
    out: PathBuf,
    /// Fewer names, fewer resamples, and the short plan
    #[arg(long)]
    quick: bool,
    /// How much to try: `full`; `core` (every context and every method, at one budget); `short`
    /// (two contexts). A fuller plan can continue the same study [default: full; with --quick
    /// short; with --time-limit the fullest that is forecast to fit]
    #[arg(long, value_name = "PLAN", value_parser = plan)]
    plan: Option<Plan>,
    /// Choose a plan that is forecast to finish within this many minutes
    #[arg(long, value_name = "MINUTES", value_parser = minutes, conflicts_with_all = ["plan", "quick", "shard"])]
    time_limit: Option<f64>,
    /// Let attribution look at no more than this many names of each side, evenly chosen from those
    /// that it may see. The time for attribution falls in proportion
    #[arg(long, value_name = "N", value_parser = at_least(2))]
    attribution_names: Option<usize>,
    /// What to examine: `transfer` (the paper's three experiments), `groups` (groups of names
    /// within and across the two that are compared), `layers` (as many weights in one layer at a
    /// time), `alternatives` (alternatives to pruning), or `all`
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "transfer,groups", value_parser = experiments)]
    experiments: Vec<Experiments>,
    /// Do only this part of the work, such as 0/4, and write no report; parts may share a folder
    #[arg(long, value_name = "I/N", conflicts_with_all = ["merge", "markdown"])]
    shard: Option<Shard>,
    /// Take over the parts of the same study from these folders, then do what is missing
    #[arg(long, value_name = "DIR", num_args = 1..)]
    merge: Vec<PathBuf>,
    /// Only make the tables and the report again, from the results.json of an earlier run
    #[arg(long, value_name = "FILE", conflicts_with_all = UNASKED)]
    render: Option<PathBuf>,
    /// Only print the results of several studies side by side
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["render", "out"], conflicts_with_all = UNASKED)]
    compare: Vec<PathBuf>,
    /// Also write the tables as a Markdown page
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// The two contexts that the experiments name: the one attributed on, the one tested on
    #[arg(long, value_name = "FROM,TO", value_parser = focus)]
    focus: Option<[Context; 2]>,
    /// Neutral text, one text per line: every second text guards gap-pursuit, the others measure
    /// perplexity. The default file is `neutral.txt` in the model's folder
    #[arg(long, value_name = "FILE")]
    neutral: Option<PathBuf>,
}

/// What says how a model is asked: nothing of it counts where results are only shown.
const UNASKED: [&str; 43] = [
    "template_arg",
    "date",
    "answer_field",
    "model",
    "device",
    "compute",
    "stored",
    "stream",
    "accept_key",
    "system",
    "samples",
    "unexplored",
    "budget_tokens",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "ignore_generation_key",
    "max_new_tokens",
    "seed",
    "prompts",
    "attribute",
    "groups",
    "by",
    "also",
    "recognition",
    "group_words",
    "name_template",
    "lower_is_better",
    "answer_prefix",
    "choices",
    "better",
    "raw",
    "choice_value",
    "quick",
    "plan",
    "time_limit",
    "attribution_names",
    "experiments",
    "shard",
    "merge",
    "focus",
    "neutral",
];

/// One experiment, or all of them.
#[derive(Debug, Clone)]
enum Experiments {
    One(Experiment),
    All,
}

fn experiments(text: &str) -> Result<Experiments, String> {
    if text == "all" {
        return Ok(Experiments::All);
    }
    let found = Experiment::ALL.into_iter().find(|own| own.name() == text);
    let names = Experiment::ALL.map(Experiment::name).join(", ");
    found.map(Experiments::One).ok_or_else(|| format!("expected one of {names}, or all"))
}

fn plan(text: &str) -> Result<Plan, String> {
    let found = Plan::ALL.into_iter().find(|own| own.name() == text);
    found.ok_or_else(|| format!("expected one of {}", Plan::ALL.map(Plan::name).join(", ")))
}

fn minutes(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|e| format!("{e}"))?;
    if value.is_finite() && value > 0.0 { Ok(value) } else { Err("it must be above 0".into()) }
}

fn focus(text: &str) -> Result<[Context; 2], String> {
    let (from, to) =
        text.split_once(',').ok_or("expected two contexts, as in `financial,commercial`")?;
    let parse = |name: &str| name.parse::<Context>().map_err(|e| e.to_string());
    Ok([parse(from)?, parse(to)?])
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let started = Instant::now();
    if let Some(path) = &args.render {
        keeps_own(&args.out, path, "results.json")?;
        return present(args, &Results::load(path)?);
    }
    if !args.compare.is_empty() {
        let all =
            args.compare.iter().map(|path| Results::load(path)).collect::<Result<Vec<_>, _>>()?;
        let page = compared(&all);
        if let Some(path) = &args.markdown {
            write(path, page.as_bytes())?;
        }
        say!("{page}");
        return Ok(());
    }
    if let Some(path) = &args.markdown {
        writable(path)?;
    }
    let mut prompts = args.prompts.load_by(&args.model, &args.by.by)?;
    if let Some(absent) =
        args.focus.iter().flatten().find(|c| prompts.index_of(c.as_str()).is_none())
    {
        return Err(format!("--focus: the prompts have no context `{absent}`").into());
    }
    let also = args.also.read(&prompts)?;
    if args.quick {
        prompts.thin(QUICK_NAMES / 2, QUICK_NAMES / 2);
    }
    merge(&args.merge, &args.out)?;
    let found = on_device!(args.model.weights.device.place()?, |B, device| study::<B>(
        args, started, &prompts, &also, &device
    ))?;
    let seconds = started.elapsed().as_secs_f64();
    let Some((results, timing)) = found else {
        say!(
            "Finished this part in {seconds:.0} s. When all parts are done, run bias study --merge with their folders."
        );
        return Ok(());
    };
    results.save(&args.out.join("results.json"))?;
    present(args, &results)?;
    timing.save(&args.out.join("timing.json"))?;
    Manifest::seal(&args.out)?;
    say!("Time\n{}", timing_table(&timing));
    say!(
        "Finished in {seconds:.0} s. {} holds results.json, masks/, figures/ and report.html. Open report.html in a browser.",
        args.out.display()
    );
    Ok(())
}

fn present(args: &Args, results: &Results) -> Result<(), Failure> {
    write(&args.out.join("report.html"), report(results)?.as_bytes())?;
    let folder = args.out.join(FIGURES);
    let mut files = BTreeMap::new();
    for figure in figures(results)? {
        files.insert(format!("{}.csv", figure.name), figure.csv);
        files.extend(figure.svg.map(|svg| (format!("{}.svg", figure.name), svg)));
    }
    for (name, content) in &files {
        write(&folder.join(name), content.as_bytes())?;
    }
    // Figures of an earlier run about something else, which it said were its own.
    let before = match Manifest::load(&args.out) {
        Ok(own) => own.files,
        Err(_) if !args.out.join("manifest.json").try_exists()? => BTreeMap::new(),
        Err(error) => {
            note!("figures of an earlier run may be left in {}: {error}", folder.display());
            BTreeMap::new()
        }
    };
    for name in before.keys().filter_map(|name| name.strip_prefix("figures/")) {
        let plain =
            !name.contains(['/', '\\']) && (name.ends_with(".csv") || name.ends_with(".svg"));
        if plain && !files.contains_key(name) {
            let path = folder.join(name);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(format!("cannot remove {}: {error}", path.display()).into());
                }
                _ => {}
            }
        }
    }
    if let Some(path) = &args.markdown {
        write(path, markdown(results).as_bytes())?;
    }
    say!("{}", tables(results));
    Ok(())
}

/// The number of names per group in the short form.
const QUICK_NAMES: usize = 10;

/// Prints the amount of work and the time it will take. Chooses a plan if that was left to the time
/// limit.
fn foresee<A: AutodiffBackend>(
    args: &Args,
    prompts: &PromptSet,
    study: &mut Study<'_, A>,
    started: Instant,
) -> Result<(), Failure> {
    let variations = prompts.contexts.iter().flat_map(|own| &own.variations);
    let questions: usize = variations.map(|own| own.people.len()).sum();
    note!("first, the model gets {questions} questions in {} contexts", prompts.contexts.len());
    let forecasts = study.forecast()?;
    let spent = started.elapsed().as_secs_f64();
    let chosen = match args.time_limit {
        None => study.plan(),
        Some(minutes) => {
            let fits = forecasts.iter().find(|own| spent + own.seconds <= minutes * 60.0);
            let Some(fits) = fits.or(forecasts.last()) else { return Ok(()) };
            if spent + fits.seconds > minutes * 60.0 {
                note!(
                    "even the {} plan is forecast to take longer than {minutes} minutes; it starts all the same, and can be continued later",
                    fits.plan
                );
            }
            fits.plan
        }
    };
    study.set_plan(chosen);
    for own in &forecasts {
        note!(
            "{} {} plan: {} masks, {} questions to pruned models, about {}",
            if own.plan == chosen { "→ the" } else { "  the" },
            own.plan,
            own.masks,
            own.questions,
            in_words(Duration::from_secs_f64(own.seconds)),
        );
    }
    Ok(())
}

/// Runs the study. Returns results, unless only a part was to be done.
fn study<A: AutodiffBackend>(
    args: &Args,
    started: Instant,
    prompts: &PromptSet,
    also: &[ItemSet],
    device: &<A::InnerBackend as burn::tensor::backend::BackendTypes>::Device,
) -> Result<Option<(Results, Timing)>, Failure> {
    // A study that goes on tells the model the date that it began on.
    let began = Provenance::of(&args.out).ok().and_then(|own| own.run.date?.parse().ok());
    let model = args.model.load_on::<A::InnerBackend>(began, prompts, device)?;
    warn_of_split(prompts);
    let asked = |own: Experiment| {
        args.experiments.iter().any(|one| {
            matches!(one, Experiments::All) || matches!(one, Experiments::One(e) if *e == own)
        })
    };
    let options = StudyOptions {
        settings: Settings {
            seed: args.model.seed,
            decoding: args.model.decoding(Decoding::exact_within(1e-2)),
            choice: args.prompts.choice_value,
            attributed_names: args.attribution_names,
            resamples: if args.quick { 500 } else { 2000 },
            ..Settings::default()
        },
        focus: args.focus.clone(),
        neutral: args.model.neutral(args.neutral.as_deref())?,
        threads: args.model.weights.device.threads(),
        select_on_device: args.model.weights.device.accelerated(),
        out: Some(args.out.clone()),
        shard: args.shard,
        plan: args.plan.unwrap_or(if args.quick { Plan::Short } else { Plan::Full }),
        experiments: Experiment::ALL.into_iter().filter(|own| asked(*own)).collect(),
        also: also.to_vec(),
    };
    let mut study = Study::<A>::new(model, &args.model.name()?, prompts, options)?;
    if args.shard.is_some() {
        study.work()?;
        return Ok(None);
    }
    foresee(args, prompts, &mut study, started)?;
    let results = study.run()?;
    Ok(Some((results, study.timing())))
}
