//! Runs every method at every budget, on models whose truth is known and on one where it is not.

mod variants;

use std::collections::BTreeSet;
use std::path::PathBuf;

use bias_files::{note, say};
use bias_model::hub::ModelSource;
use bias_model::{Decoding, LanguageModel, LoadOptions};
use bias_study::find::Truth;
use bias_study::report::{
    budgets_table, left_out_table, localisation_table, pareto_chart, pareto_table, transfer_table,
};
use bias_study::results::Benchmark;
use bias_study::store::write;
use bias_study::{Method, Scope, Settings, Study, StudyOptions};
use bias_types::UnitKind;
use burn::tensor::backend::AutodiffBackend;

use crate::commands::benchmark::variants::variants;
use bias_cli::args::model::{ChatArgs, SamplingArgs, is_chat, show_sampling, source};
use bias_cli::args::prompts::{PromptArgs, warn_of_split};
use bias_cli::args::values::{at_least, share};
use bias_cli::device::place::DeviceArgs;
use bias_cli::embedded::{embedded, shipped};
use bias_cli::failure::Failure;
use bias_cli::files::neutral;
use bias_cli::on_device;

/// Measure how well methods find and remove bias.
///
/// Each model is asked the prompts.csv in its folder, or all models are asked the prompts of
/// --prompts. If a folder has a truth.json, as the planted models that ship with this project do,
/// the benchmark also measures whether methods find the parts that truth.json lists. Attribution
/// sees one half of the names and some variations. Everything is tested on the other half of the
/// names.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Model folders, or models of the hub as org/name or org/name@revision; inside a clone of the
    /// project's repository by default the planted models and the emergent one
    #[arg(value_name = "DIR|HUB_ID", value_parser = source())]
    models: Vec<ModelSource>,
    #[command(flatten)]
    prompts: PromptArgs,
    /// Neutral text, one text per line: every second text guards gap-pursuit, the others measure
    /// perplexity. The default file is `neutral.txt` in each model's folder
    #[arg(long, value_name = "FILE")]
    neutral: Option<PathBuf>,
    /// Load the model although bias does not know this key of config.json; may be repeated
    #[arg(long, value_name = "KEY")]
    accept_key: Vec<String>,
    #[command(flatten)]
    chat: ChatArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
    /// Sample this many answers per prompt instead of computing their exact distribution
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    samples: Option<u32>,
    /// Longest answer, in tokens
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = at_least(1))]
    max_new_tokens: usize,
    /// Only methods whose name contains this, for any kind of unit; may be repeated. By default all
    /// methods that score weights, neurons or heads
    #[arg(long, value_name = "NAME")]
    method: Vec<String>,
    /// Shares of all prunable weights to prune [default: 0.0005,0.002,0.01; with --quick 0.002;
    /// with --variants 0.01]
    #[arg(long, value_name = "SHARE", value_delimiter = ',', value_parser = share)]
    budgets: Vec<f64>,
    /// Folder for each model's numbers (MODEL.json), tables (MODEL.md) and curves, and for
    /// transfer.md
    #[arg(long, value_name = "DIR", default_value = "benchmark-out")]
    out: PathBuf,
    /// The short form: one planted model and the emergent one, weights and neurons, one budget, few
    /// names
    #[arg(long)]
    quick: bool,
    /// Instead of different methods, try gap pursuit with one part changed at a time; on the
    /// emergent model unless you name models
    #[arg(long, conflicts_with = "method")]
    variants: bool,
    /// How many names of each group attribution sees, and how many other names everything is tested
    /// on [default: 3,4; with --variants 3,5; with --quick 3,3]
    #[arg(long, value_name = "SEEN,TESTED", value_parser = names)]
    names: Option<[usize; 2]>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Seed of all random draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn names(text: &str) -> Result<[usize; 2], String> {
    let both = text
        .split_once(',')
        .and_then(|(a, b)| Some([a.trim().parse().ok()?, b.trim().parse().ok()?]));
    both.filter(|both: &[usize; 2]| both.iter().all(|names| *names >= 2))
        .ok_or_else(|| "expected two counts of at least two names each, such as 4,6".into())
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let models = match args.models.as_slice() {
        [] => known(args)?.into_iter().map(ModelSource::Folder).collect(),
        named => named.to_vec(),
    };
    let mut names = BTreeSet::new();
    if let Some(twice) = models.iter().find(|model| !names.insert(called(model))) {
        return Err(format!(
            "{twice}: another model has the same name; one would overwrite the files of the other"
        )
        .into());
    }
    let mut found = Vec::new();
    for model in &models {
        let own =
            on_device!(args.device.place()?, |B, device| benchmark::<B>(args, model, &device))?;
        write(&args.out.join(format!("{}.json", own.model)), &serde_json::to_vec_pretty(&own)?)?;
        let page = page(&own);
        write(&args.out.join(format!("{}.md", own.model)), page.as_bytes())?;
        for (name, scope) in [("held-out", Scope::HeldOut), ("other-contexts", Scope::CrossContext)]
        {
            let chart = pareto_chart(&own, scope)?;
            write(&args.out.join(format!("{}-{name}.svg", own.model)), chart.as_bytes())?;
        }
        say!("{page}");
        found.push(own);
    }
    let mut transfer = transfer_table(&found);
    let left_out = left_out_table(&found);
    if !left_out.is_empty() {
        transfer += &format!("\n{left_out}");
    }
    if !args.variants {
        write(&args.out.join("transfer.md"), transfer.as_bytes())?;
        say!("{transfer}");
    }
    let seconds: f64 = found.iter().map(|own| own.seconds).sum();
    say!(
        "Finished in {seconds:.0} s; {} holds tables, curves and all numbers.",
        args.out.display()
    );
    Ok(())
}

/// The folders of models that ship with the project.
fn known(args: &Args) -> Result<Vec<PathBuf>, Failure> {
    let planted: &[&str] = match (args.quick, args.variants) {
        (_, true) => &[],
        (true, false) => &["shared-40"],
        (false, false) => &["shared-0", "shared-40", "shared-100"],
    };
    let planted = planted.iter().map(|name| {
        let folder = format!("fixtures/planted/{name}");
        shipped(&folder).ok_or_else(|| {
            "no model was named, and the planted models are only in the project's repository: name models, as in \
             bias benchmark DIR --prompts CSV"
                .into()
        })
    });
    planted.chain([embedded()]).collect()
}

/// A model's name in the names of files.
fn called(model: &ModelSource) -> String {
    model.name().replace('/', "--")
}

fn page(own: &Benchmark) -> String {
    let bias: Vec<_> =
        own.baseline.iter().map(|b| format!("{} {:.2}", b.context, b.bias.value)).collect();
    let mut page = format!(
        "### {}\n\nMean |SMD| before: {}. {:.0} s.\n\n",
        own.model,
        bias.join(", "),
        own.seconds
    );
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
    model: &ModelSource,
    device: &<A::InnerBackend as burn::tensor::backend::BackendTypes>::Device,
) -> Result<Benchmark, Failure> {
    let mut prompts = args.prompts.load_for(model)?;
    args.chat.check(&prompts, args.prompts.raw)?;
    let (name, folder) = (called(model), model.resolve()?);
    let truth = folder.join("truth.json");
    let known = truth
        .try_exists()
        .map_err(|error| format!("cannot look for {}: {error}", truth.display()))?;
    let truth = if known { Some(Truth::load(&truth)?) } else { None };
    let [seen, tested] = args.names.unwrap_or(match (args.quick, args.variants) {
        (true, _) => [3, 3],
        (_, true) => [3, 5],
        _ => [3, 4],
    });
    prompts.thin(seen, tested);
    let neutral = neutral(args.neutral.as_deref(), &folder)?;
    let options = LoadOptions {
        accepted_keys: args.accept_key.clone(),
        sampling: args.sampling.options(),
        system: args.chat.system.clone(),
        template_arguments: args.chat.template_arg.iter().cloned().collect(),
        date: args.chat.date,
        ..LoadOptions::default()
    };
    let mut model = LanguageModel::<A::InnerBackend>::load_with(&folder, &options, device)?;
    model.notes().iter().for_each(|note| note!("{note}"));
    if is_chat(&prompts) {
        args.chat.show(&model);
    }
    show_sampling(&model, &prompts);
    warn_of_split(&prompts);
    model.options_mut().max_new_tokens = args.max_new_tokens;
    model.options_mut().batch_rows = args.device.batch_rows();
    let options = StudyOptions {
        settings: Settings {
            seed: args.seed,
            decoding: args.samples.map_or(Decoding::exact_within(1e-2), |samples| {
                Decoding::Sampled { samples, seed: args.seed }
            }),
            resamples: 2000,
            ..Settings::default()
        },
        neutral,
        threads: args.device.threads(),
        select_on_device: args.device.accelerated(),
        ..StudyOptions::default()
    };
    // What was planted is neurons; heads are of interest where nobody knows.
    let units =
        if args.quick || truth.is_some() { &UnitKind::ALL[..2] } else { &UnitKind::ALL[..3] };
    let wanted = |m: &Method<A>| match args.method.as_slice() {
        [] => units.contains(&m.unit) && !m.only_if_named,
        named => named.iter().any(|own| m.name.contains(own.as_str())),
    };
    let all = || <Method<A>>::all().into_iter();
    let methods: Vec<Method<A>> =
        if args.variants { variants() } else { all().filter(wanted).collect() };
    if methods.is_empty() {
        return Err(format!(
            "--method: no method has a name that contains {}",
            args.method.join(" or ")
        )
        .into());
    }
    let left_out = !args.quick && !args.variants && args.method.is_empty();
    let all_but: Vec<Method<A>> =
        all().filter(|method| left_out && method.tried_across_contexts).collect();
    let budgets = match (args.budgets.as_slice(), args.quick) {
        ([], _) if args.variants => &[0.01][..],
        ([], true) => &[0.002],
        ([], false) => &[0.0005, 0.002, 0.01],
        (own, _) => own,
    };
    let mut study = Study::<A>::new(model, &name, &prompts, options)?;
    Ok(study.benchmark(&methods, &all_but, budgets, truth.as_ref())?)
}
