//! Whether what removes a bias in some questions removes it in others: a protocol, and its pages.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bias_cli::args::also::AlsoArgs;
use bias_cli::args::model::ModelArgs;
use bias_cli::args::prompts::{PromptArgs, warn_of_split};
use bias_cli::args::values::{at_least, mass, positive};
use bias_cli::embedded::shipped;
use bias_cli::failure::Failure;
use bias_cli::files::keeps_own;
use bias_cli::on_device;
use bias_files::{note, read_file, say};
use bias_frameworks::{Framework, ItemSet, read};
use bias_model::{Decoder, Decoding};
use bias_study::find::Truth;
use bias_study::generalize::Protocol;
use bias_study::report::{
    generalization_chart, generalization_details, generalization_markdown, generalization_tables,
    spliced, timing_table,
};
use bias_study::results::{Approach, Format, Generalization, Timing};
use bias_study::run::{Shard, in_words};
use bias_study::store::{Provenance, merge, write};
use bias_study::{PromptSet, Settings, Study, StudyOptions};
use bias_types::prompt::Context;
use burn::tensor::backend::AutodiffBackend;

/// Find out whether removing a bias generalises: to other names, questions, contexts and benchmarks.
///
/// Attribution sees one context (the home), half of the names and the attribution questions.
/// Everything is tested on the other names: held-out questions at home, all questions of other
/// contexts, other kinds of questions, other formats, and the files of --also. Every method is
/// dialled to the same damage: as many weights, or as much of an edit, as keep the log-loss of
/// neutral text and the tasks of --also within each level. Each is compared with the same method on
/// shuffled groups and with random weights. Four claims are judged by written rules: yes, no, or
/// not enough data. Every finished step goes to the output folder, and a run that is stopped goes on
/// when it is started again.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  bias generalize                                 the embedded model, in a clone of the repository
  bias generalize --homes hiring --levels 0.02 --methods signed-gap,projection
                                                  one home, one level of damage, two methods
  bias generalize --model ~/my-model --prompts my.csv --recognition --time-limit 120
                                                  your own model, as many homes as fit into two hours
  bias generalize --render generalize-out/generalize.json
                                                  the tables of an earlier run

In parts, on as many machines as you like:
  bias generalize --shard 0/3 --out part0         … and 1/3, 2/3
  bias generalize --merge part0 part1 part2       puts the parts together, and does what is missing")]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    prompts: PromptArgs,
    #[command(flatten)]
    also: AlsoArgs,
    /// Folder for all results; if it holds the same run, that run continues
    #[arg(long, value_name = "DIR", default_value = "generalize-out")]
    out: PathBuf,
    /// What is tried: methods of `bias benchmark`, with @neuron, @head and the like behind those that
    /// do not prune single weights; edits such as affine-concept and low-rank; or `planted`, where
    /// truth.json lies beside the model. The default is signed-gap, signed-gap-guarded, gap-pursuit,
    /// gap-pursuit-guarded, signed-gap@neuron, affine-concept and projection, and planted where it is
    /// known
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = approach)]
    methods: Vec<Approach>,
    /// The contexts that are homes in turn, and are left out in turn [default: all]
    #[arg(long, value_name = "SCENARIO", value_delimiter = ',', value_parser = context)]
    homes: Vec<Context>,
    /// How far the log-loss of neutral text may rise, in nats per token
    #[arg(long, value_name = "NATS", value_delimiter = ',', default_values_t = [0.01, 0.05], value_parser = positive)]
    levels: Vec<f64>,
    /// The largest share of all prunable weights that a mask may take
    #[arg(long, value_name = "SHARE", default_value_t = 0.01, value_parser = mass)]
    most: f64,
    /// Looks at damage for each level, besides the smallest and the largest strength
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = at_least(1))]
    probes: usize,
    /// The edit that masks are compared with
    #[arg(long, value_name = "NAME", default_value = "affine-concept", value_parser = approach)]
    rival: Approach,
    /// Other formats of the held-out questions: `rendering` (plain text instead of the chat template,
    /// and the reverse), `preamble` (a sentence before), or `none`
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "rendering,preamble", value_parser = formats)]
    formats: Vec<Formats>,
    /// The sentence of the format `preamble`
    #[arg(long, value_name = "TEXT")]
    preamble: Option<String>,
    /// Keep no more than this many names of each group for attribution, and this many others for
    /// tests
    #[arg(long, value_name = "SEEN,TESTED", value_parser = names)]
    names: Option<[usize; 2]>,
    /// Let attribution look at no more than this many names of each group
    #[arg(long, value_name = "N", value_parser = at_least(2))]
    attribution_names: Option<usize>,
    /// Neutral text, one text per line: every second text guards methods, the others measure damage.
    /// The default file is `neutral.txt` in the model's folder
    #[arg(long, value_name = "FILE")]
    neutral: Option<PathBuf>,
    /// Take as many homes, from the first on, as are forecast to fit into this many minutes
    #[arg(long, value_name = "MINUTES", value_parser = positive, conflicts_with = "shard")]
    time_limit: Option<f64>,
    /// Do only this part of the work, such as 0/4, and write no results; parts may share a folder
    #[arg(long, value_name = "I/N", conflicts_with = "merge")]
    shard: Option<Shard>,
    /// Take over the parts of the same run from these folders, then do what is missing
    #[arg(long, value_name = "DIR", num_args = 1..)]
    merge: Vec<PathBuf>,
    /// Only make the tables and pages again, from the generalize.json of an earlier run
    #[arg(long, value_name = "FILE", conflicts_with_all = UNASKED)]
    render: Option<PathBuf>,
    /// Also write the chart and the first tables into this Markdown page, between the lines
    /// `<!-- SECTION:begin -->` and `<!-- SECTION:end -->`; the chart goes to curves/ beside it, and
    /// all other tables to SECTION.md in a folder of the page's name
    #[arg(long, value_name = "FILE", requires = "section")]
    into: Option<PathBuf>,
    /// The section of --into
    #[arg(long, value_name = "SECTION", requires = "into", value_parser = section)]
    section: Option<String>,
}

/// What says how a model is asked and what is tried: nothing of it counts where results are shown.
const UNASKED: [&str; 18] = [
    "model",
    "prompts",
    "also",
    "recognition",
    "methods",
    "homes",
    "levels",
    "most",
    "probes",
    "rival",
    "formats",
    "preamble",
    "names",
    "attribution_names",
    "neutral",
    "time_limit",
    "shard",
    "merge",
];

/// One format, or none.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Formats {
    One(Format),
    None,
}

fn formats(text: &str) -> Result<Formats, String> {
    if text == "none" {
        return Ok(Formats::None);
    }
    let found = Format::ALL.into_iter().find(|own| own.name() == text).map(Formats::One);
    found.ok_or_else(|| format!("expected {} or none", Format::ALL.map(Format::name).join(", ")))
}

fn approach(text: &str) -> Result<Approach, String> {
    text.trim().parse()
}

fn context(text: &str) -> Result<Context, String> {
    text.trim().parse::<Context>().map_err(|e| e.to_string())
}

fn names(text: &str) -> Result<[usize; 2], String> {
    let both = text
        .split_once(',')
        .and_then(|(a, b)| Some([a.trim().parse().ok()?, b.trim().parse().ok()?]));
    both.filter(|both: &[usize; 2]| both.iter().all(|names| *names >= 2))
        .ok_or_else(|| "expected two counts of at least two names each, such as 4,6".into())
}

/// A name that is a part of file names and of marks.
fn section(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match !text.is_empty() && text.chars().all(plain) {
        true => Ok(text.into()),
        false => Err("expected letters, digits, `-` and `_`".into()),
    }
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let started = Instant::now();
    if let Some(path) = &args.render {
        keeps_own(&args.out, path, "generalize.json")?;
        return present(args, &Generalization::load(path)?);
    }
    if let (Some(page), Some(section)) = (&args.into, &args.section) {
        between(page, section, "")?;
    }
    let mut asked = args.prompts.load(&args.model)?;
    if let Some([seen, tested]) = args.names {
        asked.thin(seen, tested);
    }
    let also = also(args, &asked)?;
    let protocol = protocol(args, &asked)?;
    let prompts = protocol.prompts(&asked)?;
    warn_of_split(&asked);
    let smallest = protocol.smallest_p(&asked);
    if smallest >= 0.05 {
        note!(
            "with so few names p is at least {smallest:.2} after the correction for all rows of a \
             claim, so no claim can come out as yes; test on more names (--names), or try fewer \
             methods, homes or levels"
        );
    }
    merge(&args.merge, &args.out)?;
    let found = on_device!(args.model.weights.device.place()?, |B, device| generalize::<B>(
        args, started, &prompts, protocol, also, &device
    ))?;
    let Some((results, timing)) = found else {
        let seconds = started.elapsed().as_secs_f64();
        say!(
            "Finished this part in {seconds:.0} s. When all parts are done, run bias generalize --merge with their folders."
        );
        return Ok(());
    };
    results.save(&args.out.join("generalize.json"))?;
    timing.save(&args.out.join("timing.json"))?;
    present(args, &results)?;
    say!("Time\n{}", timing_table(&timing));
    let seconds = started.elapsed().as_secs_f64();
    say!(
        "Finished in {seconds:.0} s. {} holds generalize.json, pareto.svg and masks/, and \
         with several homes gate.json.",
        args.out.display()
    );
    Ok(())
}

/// Benchmarks and tasks. The embedded model has tasks of its own.
fn also(args: &Args, asked: &PromptSet) -> Result<Vec<ItemSet>, Failure> {
    let mut also = args.also.read(asked)?;
    let given = also.iter().any(|own| own.framework == Framework::Tasks);
    let embedded = args.model.weights.model.is_none();
    if let Some(file) = shipped("fixtures/frameworks/tasks_embedded.jsonl")
        && embedded
        && !given
    {
        also.push(read(Framework::Tasks, &[file.as_path()])?);
    } else if !given {
        note!(
            "no capability tasks were given, so neutral text alone limits damage (--also tasks=FILE)"
        );
    }
    Ok(also)
}

fn protocol(args: &Args, asked: &PromptSet) -> Result<Protocol, Failure> {
    let usual = Protocol::new(asked);
    let truth = args.model.folder()?.join("truth.json");
    let known = truth
        .try_exists()
        .map_err(|error| format!("cannot look for {}: {error}", truth.display()))?;
    let mut approaches =
        if args.methods.is_empty() { usual.approaches.clone() } else { args.methods.clone() };
    if args.methods.is_empty() && known {
        approaches.push(Approach::Planted);
    }
    let formats = args.formats.iter().filter_map(|own| match own {
        Formats::One(own) => Some(*own),
        Formats::None => None,
    });
    if args.formats.contains(&Formats::None) && args.formats.len() > 1 {
        return Err("--formats: `none` stands alone".into());
    }
    if !args.rival.is_mask() && !approaches.contains(&args.rival) {
        note!("claim (d) needs {} among --methods, and is not judged without it", args.rival);
    } else if args.rival.is_mask() {
        return Err(format!(
            "--rival: `{}` is no edit; masks are compared with one, such as affine-concept",
            args.rival
        )
        .into());
    }
    Ok(Protocol {
        approaches,
        homes: if args.homes.is_empty() { usual.homes.clone() } else { args.homes.clone() },
        limits: args.levels.clone(),
        most: args.most,
        probes: args.probes,
        formats: formats.collect(),
        preamble: args.preamble.clone().unwrap_or_else(|| usual.preamble.clone()),
        rival: args.rival.clone(),
        truth: if known { Some(Truth::load(&truth)?) } else { None },
    })
}

/// Tables on standard output, the chart beside the results, and a page if one was named.
fn present(args: &Args, results: &Generalization) -> Result<(), Failure> {
    let chart = generalization_chart(results)?;
    write(&args.out.join("pareto.svg"), chart.as_bytes())?;
    if let (Some(page), Some(section)) = (&args.into, &args.section) {
        into(page, section, results, &chart)?;
    }
    say!("{}", generalization_tables(results));
    Ok(())
}

fn into(page: &Path, section: &str, results: &Generalization, chart: &str) -> Result<(), Failure> {
    let name = format!("generalize-{section}.svg");
    let picture = format!(
        "![Share of the gap gone at home and elsewhere, against damage](curves/{name})\n\n"
    );
    // What stands in the page's own folder, and the details one folder down.
    let details =
        PathBuf::from(page.file_stem().unwrap_or(page.as_os_str())).join(format!("{section}.md"));
    let new = picture
        + &generalization_markdown(results, 3)
        + &format!("[Every other table]({})\n", details.display());
    let new = between(page, section, &new)?;
    let folder = page.parent().unwrap_or(Path::new(""));
    write(&folder.join("curves").join(name), chart.as_bytes())?;
    let all = format!("# {section}\n\n{}", generalization_details(results, 2));
    write(&folder.join(details), (all.trim_end().to_owned() + "\n").as_bytes())?;
    write(page, new.as_bytes())?;
    Ok(())
}

/// The page with this text in its section.
fn between(page: &Path, section: &str, new: &str) -> Result<String, Failure> {
    let shown = page.display();
    let text = read_file(page, 64 << 20)
        .and_then(|bytes| String::from_utf8(bytes).map_err(std::io::Error::other))
        .map_err(|error| format!("--into: cannot read {shown}: {error}"))?;
    spliced(&text, section, new).ok_or_else(|| {
        format!(
            "--into: {shown} has no lines `<!-- {section}:begin -->` and `<!-- {section}:end -->`"
        )
        .into()
    })
}

/// Says how long it will take, and chooses as many homes as fit.
fn foresee<A: AutodiffBackend>(
    args: &Args,
    protocol: &mut Protocol,
    study: &mut Study<'_, A>,
    started: Instant,
) -> Result<(), Failure> {
    if let Some(minutes) = args.time_limit
        && let Some(chosen) = study.homes_within(protocol, minutes)?
    {
        let names: Vec<&str> = chosen.iter().map(Context::as_str).collect();
        note!("it goes on with the homes that it began with: {}", names.join(", "));
        protocol.homes = chosen;
        return Ok(());
    }
    let efforts = study.generalize_effort(protocol)?;
    let spent = started.elapsed().as_secs_f64();
    let fits =
        |seconds: f64| args.time_limit.is_none_or(|minutes| spent + seconds <= minutes * 60.0);
    let chosen = efforts.iter().rev().find(|own| fits(own.seconds)).or(efforts.first());
    let Some(chosen) = chosen.copied() else { return Ok(()) };
    for own in &efforts {
        let mark = if own.homes == chosen.homes { "→" } else { " " };
        note!(
            "{mark} {} home(s): {} changes, {} questions to changed models, about {}",
            own.homes,
            own.changes,
            own.questions,
            in_words(Duration::from_secs_f64(own.seconds)),
        );
    }
    if !fits(chosen.seconds) {
        note!(
            "even one home is forecast to take longer; it starts all the same, and can be continued"
        );
    }
    let Some(minutes) = args.time_limit else { return Ok(()) };
    let left: Vec<&str> = protocol.homes.iter().skip(chosen.homes).map(Context::as_str).collect();
    if !left.is_empty() {
        note!("homes left out for time: {}", left.join(", "));
    }
    study.keep_homes(protocol, minutes, chosen.homes)?;
    Ok(())
}

/// Runs the protocol. Returns results, unless only a part was to be done.
fn generalize<A: AutodiffBackend>(
    args: &Args,
    started: Instant,
    prompts: &PromptSet,
    mut protocol: Protocol,
    also: Vec<ItemSet>,
    device: &<A::InnerBackend as burn::tensor::backend::BackendTypes>::Device,
) -> Result<Option<(Generalization, Timing)>, Failure> {
    protocol.check_methods::<A, Decoder<A::InnerBackend>>()?;
    // A run that goes on tells the model the date that it began on.
    let began = Provenance::of(&args.out).ok().and_then(|own| own.run.date?.parse().ok());
    let model = args.model.load_on::<A::InnerBackend>(began, prompts, device)?;
    let options = StudyOptions {
        settings: Settings {
            seed: args.model.seed,
            decoding: args.model.decoding(Decoding::exact_within(1e-2)),
            choice: args.prompts.choice_value,
            attributed_names: args.attribution_names,
            resamples: 2000,
            ..Settings::default()
        },
        neutral: args.model.neutral(args.neutral.as_deref())?,
        threads: args.model.weights.device.threads(),
        select_on_device: args.model.weights.device.accelerated(),
        out: Some(args.out.clone()),
        shard: args.shard,
        also,
        ..StudyOptions::default()
    };
    let mut study = Study::<A>::new(model, &args.model.name()?, prompts, options)?;
    if args.shard.is_some() {
        study.generalize_work(&protocol)?;
        return Ok(None);
    }
    foresee(args, &mut protocol, &mut study, started)?;
    let results = study.generalize(&protocol)?;
    if let Some(gate) = study.gate(&protocol)? {
        gate.save(&args.out.join("gate.json"))?;
    }
    Ok(Some((results, study.timing())))
}
