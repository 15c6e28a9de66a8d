//! Every method at every budget, on models whose truth is known and on one where it is not.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bias_core::UnitKind;
use bias_examples::cli::{Failure, finish, groups, neutral, share};
use bias_examples::device::DeviceArgs;
use bias_examples::on_device;
use bias_examples::variants::variants;
use bias_model::{Decoding, LanguageModel};
use bias_study::{
    Benchmark, Method, PromptSet, Scope, Settings, Study, StudyOptions, Truth, budgets_table, left_out_table,
    localisation_table, pareto_chart, pareto_table, transfer_table, write,
};
use burn::tensor::backend::AutodiffBackend;
use clap::Parser;

/// Measure how well methods find and remove bias.
///
/// Each model is a folder with its own prompts.csv; where it has a truth.json (written by
/// plant_fixture), methods are also measured by what they should have found. Attribution sees one half of the
/// names and some variations; everything is tested on the other half of the names.
#[derive(Parser)]
struct Args {
    /// Model folders; the planted models and the emergent one by default
    models: Vec<PathBuf>,
    /// Only methods whose name contains this, for any kind of unit; may be repeated. Otherwise all that score weights,
    /// neurons or heads
    #[arg(long, value_name = "NAME")]
    method: Vec<String>,
    /// Shares of all prunable weights to prune [default: 0.0005,0.002,0.01; with --quick 0.002]
    #[arg(long, value_name = "SHARE", value_delimiter = ',', value_parser = share)]
    budgets: Vec<f64>,
    /// Folder for each model's numbers (MODEL.json), tables (MODEL.md) and curves, and transfer.md
    #[arg(long, value_name = "DIR", default_value = "benchmark-out")]
    out: PathBuf,
    /// One planted model and the emergent one, weights and neurons, one budget, few names
    #[arg(long)]
    quick: bool,
    /// Instead of different methods, gap pursuit with one part changed at a time; on the emergent model unless models are given
    #[arg(long, conflicts_with = "method")]
    variants: bool,
    /// How many names of each group attribution sees, and how many others everything is tested on
    /// [default: 3,4; with --variants 3,5; with --quick 3,3]
    #[arg(long, value_name = "SEEN,TESTED", value_parser = names)]
    names: Option<[usize; 2]>,
    /// The two groups compared, as `name_group` begins
    #[arg(long, value_name = "A,B", default_value = "white,black", value_parser = groups)]
    groups: [String; 2],
    #[command(flatten)]
    device: DeviceArgs,
    /// Seed of everything random
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Methods that are attributed on all contexts but one, and tested on that: the mean over contexts and the worst of them.
const ALL_BUT: [&str; 2] = ["gap-pursuit", "gap-pursuit-worst"];
/// Tried on single contexts only if asked for: with one context it differs little from the mean.
const ASKED_FOR: &str = "gap-pursuit-worst";

fn names(text: &str) -> Result<[usize; 2], String> {
    let both = text.split_once(',').and_then(|(a, b)| Some([a.trim().parse().ok()?, b.trim().parse().ok()?]));
    both.ok_or_else(|| "two counts are needed, such as 4,6".into())
}

fn main() -> ExitCode {
    finish(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let all = ["planted/shared-0", "planted/shared-40", "planted/shared-100", "emergent"];
    let models: Vec<PathBuf> = match (args.models.as_slice(), args.quick) {
        ([], _) if args.variants => all[3..].iter().map(|name| fixtures.join(name)).collect(),
        ([], false) => all.iter().map(|name| fixtures.join(name)).collect(),
        ([], true) => all[1..2].iter().chain(&all[3..]).map(|name| fixtures.join(name)).collect(),
        (models, _) => models.to_vec(),
    };
    let mut names = BTreeSet::new();
    if let Some(twice) = models.iter().find(|folder| !names.insert(folder.file_name())) {
        return Err(
            format!("{}: another folder has the same name; their files would meet", twice.display()).into()
        );
    }
    let mut found = Vec::new();
    for folder in &models {
        let own = on_device!(args.device.place()?, |B, device| benchmark::<B>(args, folder, &device))?;
        write(&args.out.join(format!("{}.json", own.model)), &serde_json::to_vec_pretty(&own)?)?;
        let page = page(&own);
        write(&args.out.join(format!("{}.md", own.model)), page.as_bytes())?;
        for (name, scope) in [("held-out", Scope::HeldOut), ("other-contexts", Scope::CrossContext)] {
            let chart = pareto_chart(&own, scope)?;
            write(&args.out.join(format!("{}-{name}.svg", own.model)), chart.as_bytes())?;
        }
        println!("{page}");
        found.push(own);
    }
    let mut transfer = transfer_table(&found);
    let left_out = left_out_table(&found);
    if !left_out.is_empty() {
        transfer += &format!("\n{left_out}");
    }
    if !args.variants {
        write(&args.out.join("transfer.md"), transfer.as_bytes())?;
        println!("{transfer}");
    }
    let seconds: f64 = found.iter().map(|own| own.seconds).sum();
    println!("Finished in {seconds:.0} s; {} holds tables, curves and all numbers.", args.out.display());
    Ok(())
}

fn page(own: &Benchmark) -> String {
    let bias: Vec<_> = own.baseline.iter().map(|b| format!("{} {:.2}", b.context, b.bias.value)).collect();
    let mut page =
        format!("### {}\n\nMean |SMD| before: {}. {:.0} s.\n\n", own.model, bias.join(", "), own.seconds);
    if own.shared_fraction.is_some() {
        page += &localisation_table(own);
        page.push('\n');
    }
    if own.tried.iter().any(|tried| tried.allowed != own.tried[0].allowed) {
        page += &budgets_table(own);
        page.push('\n');
    }
    page + "<details><summary>Every mask</summary>\n\n" + &pareto_table(own) + "\n</details>\n"
}

fn benchmark<A: AutodiffBackend>(
    args: &Args,
    folder: &Path,
    device: &<A::InnerBackend as burn::tensor::backend::BackendTypes>::Device,
) -> Result<Benchmark, Failure> {
    let [a, b] = &args.groups;
    let name = folder.file_name().map_or_else(|| "model".into(), |n| n.to_string_lossy().into_owned());
    let mut prompts = PromptSet::from_csv(&folder.join("prompts.csv"), [a, b])?;
    let truth = folder.join("truth.json");
    let truth = if truth.exists() { Some(Truth::load(&truth)?) } else { None };
    let [seen, tested] = args.names.unwrap_or(match (args.quick, args.variants) {
        (true, _) => [3, 3],
        (_, true) => [3, 5],
        _ => [3, 4],
    });
    prompts.thin(seen, tested);
    if !prompts.holds_out_names() {
        eprintln!("{name}: too few names to hold any out; tested on those attributed on");
    }
    let neutral = neutral(&folder.join("neutral.txt"))?;
    let mut model = LanguageModel::<A::InnerBackend>::load(folder, device)?;
    model.options_mut().batch_rows = args.device.batch_rows();
    let options = StudyOptions {
        settings: Settings {
            seed: args.seed,
            decoding: Decoding::exact_within(1e-2),
            resamples: 2000,
            ..Settings::default()
        },
        neutral,
        threads: args.device.threads(),
        select_on_device: args.device.accelerated(),
        ..StudyOptions::default()
    };
    // What was planted is neurons; heads are of interest where nobody knows.
    let units = if args.quick || truth.is_some() { &UnitKind::ALL[..2] } else { &UnitKind::ALL[..3] };
    let wanted = |m: &Method<A>| match args.method.as_slice() {
        [] => units.contains(&m.unit) && m.name != ASKED_FOR,
        named => named.iter().any(|own| m.name.contains(own.as_str())),
    };
    let all = || Method::<A>::all().into_iter();
    let methods: Vec<Method<A>> = if args.variants { variants() } else { all().filter(wanted).collect() };
    if methods.is_empty() {
        return Err(format!("--method: no method is called like {}", args.method.join(" or ")).into());
    }
    let known = |m: &Method<A>| ALL_BUT.contains(&m.name.as_str()) && m.unit == UnitKind::Weight;
    let left_out = !args.quick && !args.variants && args.method.is_empty();
    let all_but: Vec<Method<A>> = all().filter(|m| left_out && known(m)).collect();
    let budgets = match (args.budgets.as_slice(), args.quick) {
        ([], _) if args.variants => &[0.01][..],
        ([], true) => &[0.002],
        ([], false) => &[0.0005, 0.002, 0.01],
        (own, _) => own,
    };
    let mut study = Study::<A>::new(model, &name, &prompts, options)?;
    Ok(study.benchmark(&methods, &all_but, budgets, truth.as_ref())?)
}
