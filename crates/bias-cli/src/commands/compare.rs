//! Several models side by side, from what was kept of them.

use std::path::{Path, PathBuf};

use bias_cli::args::also::attribute;
use bias_cli::args::prompts::{PromptArgs, choice_value, groups};
use bias_cli::failure::Failure;
use bias_cli::files::writable;
use bias_files::say;
use bias_study::Settings;
use bias_study::compare::{Side, side_by_side};
use bias_study::recorded::RecordedAnswers;
use bias_study::report::{side_by_side_csv, side_by_side_markdown, side_by_side_table};
use bias_study::results::{Attribute, ChoiceValue};
use bias_study::store::write;

/// Put models side by side in one table, each compared with the first.
///
/// A file holds answers (`bias audit --save-answers`, or recorded by anybody), what `bias audit
/// --json` printed (.json), or the results of a study (results.json, or its folder). No model is
/// asked. A row is a context or a variation; a column is a model: its SMD with an interval, how many
/// names it is over, and the share of answers that do not say what was asked. Where answers are
/// known by name, the difference from the first model has an interval and a test.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  bias compare before.csv after.csv               a model before and after pruning
  bias compare before.csv study-out               also what a study states")]
pub(crate) struct Args {
    /// Files of answers or results, the one to compare with first
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Of the models in files of answers, only this one, in each file that has several. May be given
    /// several times
    #[arg(long, value_name = "MODEL")]
    of: Vec<String>,
    /// Of a study, also the masks with this id, or whose ids begin so, such as
    /// `financial/gap-pursuit`; `all` for all. May be given several times
    #[arg(long, value_name = "ID")]
    mask: Vec<String>,
    /// The attribute that tells the two groups apart, as in `bias audit` [default: race=before:_]
    #[arg(long, value_name = "ATTRIBUTE", value_parser = attribute)]
    attribute: Option<Attribute>,
    /// The two groups to compare [default: white,black]
    #[arg(long, value_name = "A,B", value_parser = groups)]
    groups: Option<[String; 2]>,
    /// Value of a choice: log-odds, log-odds-per-token or probability
    #[arg(long, value_name = "WHAT", default_value = "log-odds", value_parser = choice_value)]
    choice_value: ChoiceValue,
    /// Seed of all random draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Also write the table as a Markdown page
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Also write the numbers as CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    for path in args.markdown.iter().chain(&args.csv) {
        writable(path)?;
    }
    let settings = Settings { seed: args.seed, choice: args.choice_value, ..Settings::default() };
    let mut sides: Vec<(Side, &Path)> = Vec::new();
    for path in &args.files {
        let found = read(args, path, &settings)?;
        sides.extend(found.into_iter().map(|side| (side, path.as_path())));
    }
    let names: Vec<String> = sides.iter().map(|(side, _)| side.name.clone()).collect();
    let twice = |name: &String| names.iter().filter(|own| *own == name).count() > 1;
    let mut all: Vec<Side> = Vec::with_capacity(sides.len());
    for (mut side, path) in sides {
        if twice(&side.name) {
            side.name = format!("{} ({})", side.name, path.display());
        }
        // A file may be named twice.
        if all.iter().any(|own| own.name == side.name) {
            side.name = format!("{}, {}", side.name, all.len() + 1);
        }
        all.push(side);
    }
    let found = side_by_side(&all, &settings)?;
    if let Some(path) = &args.markdown {
        write(path, side_by_side_markdown(&found).as_bytes())?;
    }
    if let Some(path) = &args.csv {
        write(path, side_by_side_csv(&found)?.as_bytes())?;
    }
    if args.json {
        say!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        say!("{}", side_by_side_table(&found));
    }
    Ok(())
}

/// The models of a file.
fn read(args: &Args, path: &Path, settings: &Settings) -> Result<Vec<Side>, Failure> {
    if path.is_dir() {
        return Ok(Side::document(&path.join("results.json"), &args.mask)?);
    }
    if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("json")) {
        return Ok(Side::document(path, &args.mask)?);
    }
    let prompts = PromptArgs {
        attribute: args.attribute.clone(),
        groups: args.groups.clone(),
        choice_value: args.choice_value,
        ..PromptArgs::default()
    };
    let of = wanted(args, path)?;
    let found = prompts.load_recorded(path, &[], &of)?;
    let each = found.into_iter().map(|own| Side::recorded(own, settings));
    Ok(each.collect::<Result<_, _>>()?)
}

/// The models of a file that are wanted; none if all are.
fn wanted(args: &Args, path: &Path) -> Result<Vec<String>, Failure> {
    if args.of.is_empty() {
        return Ok(Vec::new());
    }
    let models = RecordedAnswers::models(path)?;
    if let [_] = models[..] {
        return Ok(Vec::new());
    }
    let wanted: Vec<String> = args.of.iter().filter(|own| models.contains(own)).cloned().collect();
    if wanted.is_empty() {
        let models = models.join(", ");
        return Err(
            format!("--of: {} has none of these models; it has {models}", path.display()).into()
        );
    }
    Ok(wanted)
}
