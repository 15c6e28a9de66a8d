//! Finds the parts that carry a context's bias, and writes them as a mask.

use std::path::PathBuf;

use bias_attrib::pursuit::Pursuit;
use bias_attrib::scores::{Edge, EdgeScores};
use bias_cli::args::model::ModelArgs;
use bias_cli::args::prompts::{PromptArgs, warn_of_split};
use bias_cli::args::values::share;
use bias_cli::failure::Failure;
use bias_cli::files::writable;
use bias_cli::on_device;
use bias_files::{note, say};
use bias_mask::{HeadAblation, Mask, unit_mask};
use bias_model::{Decoding, HookedModel as _, Weights as _};
use bias_study::store::write;
use bias_study::{Finding, Method, Settings, Study, StudyOptions};
use bias_types::model::Sublayer;
use bias_types::{ModelDims, Unit, UnitKind};
use burn::backend::{Autodiff, Flex};

/// Score the parts of a model on the prompts of one context, and write a mask of the parts to
/// prune.
///
/// Attribution sees every second name of each group, and the variations that are not held out.
/// Apply the mask with `bias prune`, and measure its effect with `bias audit`. `bias benchmark`
/// compares all methods. Inside a clone of the project's repository, the embedded model is scored if
/// you name no other; elsewhere, name --model and --prompts.
#[derive(clap::Args)]
#[command(after_help = methods())]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    prompts: PromptArgs,
    /// Context to attribute on; by default the first
    #[arg(long)]
    context: Option<String>,
    /// Scoring method; see the list below
    #[arg(long, default_value = "gap-pursuit")]
    method: String,
    /// What to prune: weight, neuron, head, kv-group, expert or layer; by default the first unit that the
    /// list gives for the method
    #[arg(long, value_parser = unit)]
    unit: Option<UnitKind>,
    /// Prune at most this share of all weights in linear maps, but at least one unit
    #[arg(long, value_name = "SHARE", default_value_t = 0.002, value_parser = share)]
    budget: f64,
    /// For wanda and snip, instead of --budget: share of each matrix that counts as important to a
    /// group (0.15 in the paper)
    #[arg(long, value_name = "SHARE", conflicts_with = "budget", value_parser = share)]
    top: Option<f64>,
    /// For gap-pursuit and guarded methods: neutral text that pruning should not spoil, one text per
    /// line. The method looks at every second text; a study measures on the others. The default
    /// file is `neutral.txt` in the model's folder
    #[arg(long, value_name = "FILE")]
    neutral: Option<PathBuf>,
    /// For integrated-edges: write the score of every edge to this CSV file, with the columns from,
    /// to and score
    #[arg(long, value_name = "CSV")]
    edges: Option<PathBuf>,
    /// Mask file to write
    #[arg(long, value_name = "FILE", default_value = "mask.safetensors")]
    out: PathBuf,
}

fn methods() -> String {
    let all = <Method<Autodiff<Flex>>>::all();
    let lines = all.iter().map(|m| format!("  {:<30} {:<10} {}\n", m.name, word(m.unit), m.about));
    format!("Methods:\n{}", lines.collect::<String>())
}

/// A kind of unit, as written on the command line.
fn word(unit: UnitKind) -> &'static str {
    match unit {
        UnitKind::Weight => "weight",
        UnitKind::Neuron => "neuron",
        UnitKind::Head => "head",
        UnitKind::KvGroup => "kv-group",
        UnitKind::Expert => "expert",
        UnitKind::Layer => "layer",
    }
}

fn unit(text: &str) -> Result<UnitKind, String> {
    let known = UnitKind::ALL.into_iter().find(|kind| word(*kind) == text);
    known.ok_or_else(|| format!("expected one of {}", UnitKind::ALL.map(word).join(", ")))
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let prompts = args.prompts.load(&args.model)?;
    let context = match &args.context {
        None => 0,
        Some(name) => prompts.index_of(name).ok_or_else(|| {
            let known: Vec<_> = prompts.contexts.iter().map(|c| c.context.as_str()).collect();
            format!(
                "--context: the prompts have no context `{name}`; they have {}",
                known.join(", ")
            )
        })?,
    };
    refuse_unused(args)?;
    args.edges.iter().chain([&args.out]).try_for_each(|path| writable(path))?;
    let options = StudyOptions {
        settings: Settings {
            seed: args.model.seed,
            decoding: args.model.decoding(Decoding::exact_within(1e-2)),
            choice: args.prompts.choice_value,
            ..Settings::default()
        },
        neutral: args.model.neutral(args.neutral.as_deref())?,
        threads: args.model.weights.device.threads(),
        select_on_device: args.model.weights.device.accelerated(),
        ..StudyOptions::default()
    };
    on_device!(args.model.weights.device.place()?, |B, device| {
        let wanted = |own: &Method<B>| {
            own.name == args.method && args.unit.is_none_or(|unit| own.unit == unit)
        };
        let method = <Method<B>>::all().into_iter().find(wanted).ok_or_else(|| no_method(args))?;
        let model = args.model.load(&prompts, &device)?;
        warn_of_split(&prompts);
        let study = Study::<B>::new(model, &args.model.name()?, &prompts, options)?;
        let dims = *study.model().model().dims();
        let found = study.find(&method, context, args.budget)?;
        let mask = match args.top {
            None => found.mask(&dims, (args.budget * dims.prunable_weights() as f64) as usize)?,
            Some(share) => found.tops(share).ok_or_else(|| {
                format!("--top is for set differences, not for {}", args.method)
            })??,
        };
        let mask = mask
            .for_model(study.model().model().fingerprint()?)
            .with_note("method", &args.method)
            .with_note("unit", word(method.unit))
            .with_note("budget", args.top.unwrap_or(args.budget))
            .with_note("context", &prompts.contexts[context].context)
            .with_note("prompts", &prompts.sha256);
        mask.save(&args.out)?;
        if mask.count() == 0 {
            note!(
                "nothing was chosen, so the mask is empty: the budget has no room, or nothing helps"
            );
        }
        if let Finding::Pursuit(found) = &found {
            rounds(found);
        }
        let found = match found {
            Finding::Edges(edges) => {
                best_edges(&edges);
                if let Some(path) = &args.edges {
                    write(path, &table(&edges)?)?;
                }
                Finding::Units(edges.units())
            }
            other => other,
        };
        best_units(&found, &mask, &dims)?;
        describe(&mask, dims.layers);
        say!("wrote {}", args.out.display());
        args.edges.iter().for_each(|path| say!("wrote {}", path.display()));
        Ok(())
    })
}

/// What is said where no method has the name and the unit that were asked for.
fn no_method(args: &Args) -> String {
    let all = <Method<Autodiff<Flex>>>::all();
    let names = |of: &dyn Fn(&Method<Autodiff<Flex>>) -> bool| {
        let mut names: Vec<&str> =
            all.iter().filter(|own| of(own)).map(|own| own.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names.join(", ")
    };
    let method = &args.method;
    let Some(unit) = args.unit else {
        return format!(
            "--method: there is no method `{method}`; the methods are {} (--help lists their units)",
            names(&|_| true)
        );
    };
    let own: Vec<&str> =
        all.iter().filter(|own| own.name == *method).map(|own| word(own.unit)).collect();
    let own = if own.is_empty() {
        String::new()
    } else {
        format!(" `{method}` scores another unit (--unit {});", own.join(", "))
    };
    format!(
        "--method: there is no method `{method}` for the unit {};{own} methods for it are {}",
        word(unit),
        names(&|own| own.unit == unit)
    )
}

/// Refuses an argument that the method does not use, before the work begins.
fn refuse_unused(args: &Args) -> Result<(), Failure> {
    type Known = Method<Autodiff<Flex>>;
    let method = &args.method;
    let all = Known::all();
    // In the order that the methods are listed in; one name may stand for several kinds of unit.
    let with = |property: fn(&Known) -> bool| -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for method in all.iter().filter(|method| property(method)) {
            if !names.contains(&method.name.as_str()) {
                names.push(&method.name);
            }
        }
        names
    };
    let tops = with(|own| own.is_set_difference);
    if args.top.is_some() && !tops.contains(&method.as_str()) {
        return Err(
            format!("--top is for {}, not for {method}; use --budget", tops.join(" and ")).into()
        );
    }
    if args.edges.is_some() && method != EDGES {
        return Err(format!("--edges is for {EDGES}: {method} does not score edges").into());
    }
    let guarded = with(|own| own.looks_at_neutral);
    if args.neutral.is_some() && !guarded.contains(&method.as_str()) {
        return Err(format!(
            "--neutral is for {}: {method} does not look at neutral text",
            guarded.join(" and ")
        )
        .into());
    }
    Ok(())
}

/// The measurements of a pursuit before and after each round.
fn rounds(found: &Pursuit) {
    say!("round  pruned  largest gap  level moved  neutral loss  answers known");
    for (round, own) in found.rounds.iter().enumerate() {
        let level = own.levels.iter().fold(0f64, |most, level| most.max(level.abs()));
        say!(
            "{round:>5} {:>7} {:>12.3} {:>12.3} {:>+13.4} {:>13.1}%{}",
            own.weights,
            own.worst(),
            level,
            own.neutral,
            100.0 * own.explored,
            if own.kept { "" } else { "  taken back" }
        );
    }
}

/// The method that scores edges.
const EDGES: &str = "integrated-edges";

/// As many of the best units and edges are shown.
const SHOWN: usize = 10;

/// The edges with the largest scores.
fn best_edges(found: &EdgeScores) {
    say!("strongest edges of {}", found.scores.len());
    for (edge, score) in found.ranked().into_iter().take(SHOWN) {
        say!("  {:<24}{}", edge.to_string(), shown(score));
    }
}

fn table(found: &EdgeScores) -> Result<Vec<u8>, Failure> {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(["from", "to", "score"])?;
    for (Edge { from, to }, score) in &found.scores {
        out.write_record([from.to_string(), to.to_string(), score.to_string()])?;
    }
    Ok(out.into_inner()?)
}

fn shown(score: f32) -> String {
    match score.abs() {
        size if size >= 0.001 || size == 0.0 => format!("{score:>+12.4}"),
        _ => format!("{score:>+12.2e}"),
    }
}

/// The best units of a method that ranks whole units, as `--unit` of `bias prune` takes them, with
/// their scores where it gives any.
fn best_units(found: &Finding, mask: &Mask, dims: &ModelDims) -> Result<(), Failure> {
    let ranked: Vec<(&Unit, Option<f32>)> = match found {
        Finding::Units(own) => {
            let score = |unit: &Unit| own.scores.iter().find(|(other, _)| other == unit);
            let ranked = own.ranked().into_iter().take(SHOWN);
            ranked.map(|unit| (unit, score(unit).map(|(_, score)| *score))).collect()
        }
        Finding::Order(order) | Finding::Pursuit(Pursuit { chosen: order, .. }) => {
            order.iter().take(SHOWN).map(|unit| (unit, None)).collect()
        }
        _ => return Ok(()),
    };
    if ranked.iter().any(|(unit, _)| unit.kind() == UnitKind::Weight) || ranked.is_empty() {
        return Ok(());
    }
    let scored = ranked.iter().any(|(_, score)| score.is_some());
    say!(
        "best units{}",
        if scored { ", by their scores" } else { ", in the order of their choice" }
    );
    for (unit, score) in ranked {
        let own = unit_mask(dims, std::slice::from_ref(unit), HeadAblation::ZeroOutput)?;
        let chosen = own.difference(mask)?.count() == 0;
        let score = score.map_or_else(String::new, shown);
        say!("  {:<10}{score}{}", unit.to_string(), if chosen { "  in the mask" } else { "" });
    }
    Ok(())
}

fn describe(mask: &Mask, layers: usize) {
    say!("{} weights chosen", mask.count());
    say!("layer  attention        mlp");
    for layer in 0..layers {
        let count = |sublayer: Sublayer| -> usize {
            let own = mask.iter().filter(|(path, _)| {
                path.projection().is_some_and(|(l, p)| l == layer && p.sublayer() == sublayer)
            });
            own.map(|(_, bits)| bits.count()).sum()
        };
        say!("{layer:>5} {:>10} {:>10}", count(Sublayer::Attention), count(Sublayer::Mlp));
    }
}
