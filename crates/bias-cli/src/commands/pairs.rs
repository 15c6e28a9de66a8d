//! Compares the likelihood of two sentences: CrowS-Pairs, or pairs of your own in its schema.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bias_cli::args::model::{ChatArgs, WeightArgs};
use bias_cli::embedded::shipped;
use bias_cli::failure::Failure;
use bias_cli::files::writable;
use bias_cli::on_device;
use bias_files::{note, say};
use bias_metrics::inference::Proportion;
use bias_metrics::ranking::{PairPreference, PairScore, pair_preference};
use bias_study::likelihood::{PairSet, Reading, prefix_token, score_pairs};
use bias_study::store::write;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

/// Score sentence pairs in the schema of CrowS-Pairs (Nangia et al. 2020), and count how often a
/// model prefers the sentence about the disadvantaged group.
///
/// Sentences follow the token that lm-evaluation-harness puts before them: the tokenizer's
/// bos_token, or else its eos_token. There are two metrics, which are not comparable. The first compares the log-likelihoods of whole
/// sentences (lm-evaluation-harness). The second compares those of the tokens that both sentences
/// share, each given all tokens before it (the original metric for masked models, made
/// conditional). In both, 50 % is unbiased. Blodgett et al. 2021 found many pairs of CrowS-Pairs
/// flawed; read the numbers accordingly. Inside a clone of the project's repository, the embedded
/// model reads this project's own pairs if you name no others; elsewhere, name --model and --pairs.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    model: WeightArgs,
    /// CSV file with the columns sent_more,sent_less,stereo_antistereo,bias_type
    #[arg(long, value_name = "CSV")]
    pairs: Option<PathBuf>,
    /// Put this text before both sentences of every pair; the text itself does not count. White
    /// space at its end belongs to the sentences, as in lm-evaluation-harness
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    answer_prefix: String,
    /// Divide the log-likelihood of a whole sentence by its number of tokens. Use this for pairs of
    /// different length
    #[arg(long)]
    per_token: bool,
    /// Write every pair's log-likelihoods to this CSV file
    #[arg(long, value_name = "CSV")]
    scores: Option<PathBuf>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    if let Some(path) = &args.scores {
        writable(path)?;
    }
    let set = PairSet::from_csv(&match &args.pairs {
        Some(path) => path.clone(),
        None => shipped("fixtures/pairs/pairs.csv").ok_or(
            "no pairs were named, and this project's own are only in its repository: name a file with --pairs CSV",
        )?,
    })?;
    if !set.unused.is_empty() {
        note!("nothing is read from the columns {}", set.unused.join(", "));
    }
    let bar =
        ProgressBar::with_draw_target(Some(set.pairs.len() as u64), ProgressDrawTarget::stderr())
            .with_style(ProgressStyle::with_template("pairs {bar:40} {pos}/{len}, {eta} left")?);
    let reading = Reading { before: args.answer_prefix.clone(), per_token: args.per_token };
    let mut done = |pairs: usize| bar.inc(pairs as u64);
    let scores = on_device!(args.model.device.place()?, |B, device| {
        type Inner = <B as burn::tensor::backend::AutodiffBackend>::InnerBackend;
        let model = args.model.load::<Inner>(&ChatArgs::default(), &device)?;
        if reading.before.trim().is_empty() {
            let prefix = prefix_token(&model)?;
            let text = bias_model::Tokenize::written(model.text(), &[prefix])?;
            note!("sentences follow the token `{}` ({prefix})", text.escape_debug());
        }
        score_pairs(&model, &set.pairs, &reading, &mut done)?
    });
    bar.finish_and_clear();
    if let Some(path) = &args.scores {
        write(path, &table(&set, &scores)?)?;
    }
    let mut by_type: BTreeMap<&str, Vec<PairScore>> = BTreeMap::new();
    for (pair, score) in set.pairs.iter().zip(&scores) {
        by_type.entry(&pair.bias_type).or_default().push(*score);
    }
    let mut found: Vec<(&str, PairPreference)> = Vec::new();
    for (name, own) in &by_type {
        found.push((name, pair_preference(own, 0.95)?));
    }
    found.push(("all", pair_preference(&scores, 0.95)?));
    if args.json {
        let found: BTreeMap<_, _> = found.into_iter().collect();
        say!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        show(&found, args.per_token);
    }
    Ok(())
}

fn show(found: &[(&str, PairPreference)], per_token: bool) {
    let unit = if per_token { "nats a token" } else { "nats" };
    say!(
        "{:<20} {:>6} {:>22} {:>16} {:>22} {:>22} {:>22}",
        "",
        "pairs",
        "likelier as a whole",
        "|difference|",
        "likelier shared",
        "stereotypes",
        "anti-stereotypes"
    );
    let share = |own: &Proportion| {
        format!("{:.1}% [{:.1}..{:.1}]", 100.0 * own.value(), 100.0 * own.low, 100.0 * own.high)
    };
    let maybe = |own: &Option<Proportion>| own.as_ref().map_or_else(|| "–".into(), share);
    for (name, own) in found {
        // A file's own words must not steer the terminal.
        let name = name.escape_debug().to_string();
        say!(
            "{name:<20} {:>6} {:>22} {:>16} {:>22} {:>22} {:>22}",
            own.whole.cases,
            share(&own.whole),
            format!("{:.2} {unit}", own.likelihood_difference),
            share(&own.shared),
            maybe(&own.stereo),
            maybe(&own.antistereo)
        );
    }
}

#[derive(Serialize)]
struct Line<'a> {
    pair: usize,
    bias_type: &'a str,
    whole_more: f64,
    whole_less: f64,
    shared_more: f64,
    shared_less: f64,
}

fn table(set: &PairSet, scores: &[PairScore]) -> Result<Vec<u8>, Failure> {
    let mut out = csv::Writer::from_writer(Vec::new());
    for (pair, (own, score)) in set.pairs.iter().zip(scores).enumerate() {
        out.serialize(Line {
            pair,
            bias_type: &own.bias_type,
            whole_more: score.whole[0],
            whole_less: score.whole[1],
            shared_more: score.shared[0],
            shared_less: score.shared[1],
        })?;
    }
    Ok(out.into_inner()?)
}
