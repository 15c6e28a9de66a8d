//! Can a model far larger than memory be audited, and how near is that to what the machine can do?

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::{Cost, Failure, anonymous_memory, cost, finish};
use bias_attrib::{
    Attribution as _, Contrast, PossibleAnswer, PromptCase, SetDifference, SignedGap, Wanda,
};
use bias_files::{note, say};
use bias_mask::Intervention;
use bias_mask::select::StreamingTopK;
use bias_metrics::{Arm, parse_answer};
use bias_model::{
    Answers, Checkpoint, Decoding, HookedModel as _, LanguageModel, LoadOptions, Precision,
    Weights as _,
};
use bias_probe::Sequence;
use bias_study::PromptSet;
use bias_study::results::Attribute;
use bias_types::model::Sublayer;
use burn::backend::{Autodiff, Flex};
use burn::tensor::{Distribution, Tensor};
use clap::Parser;

/// Score a model with Wanda for two groups, prune the set difference, ask again, and take the
/// signed gap.
///
/// All steps read the model layer by layer from its file. The program prints the cost of each step
/// next to a lower bound: the time of the operations at the speed of this machine's matrix
/// products, or of the bytes at the speed at which it reads the files, whichever is more.
///
/// The folder needs a tokenizer and prompts.csv (`random_model --text`).
#[derive(Parser)]
struct Args {
    /// Model folder
    #[arg(value_name = "DIR")]
    model: PathBuf,
    /// Number of prompts about each group
    #[arg(long, default_value_t = 40)]
    per_group: usize,
    /// At most this many people of each group for the signed gap, of those who got a number; 0
    /// skips the signed gap
    #[arg(long, default_value_t = 0)]
    gap_per_group: usize,
    /// Share of each matrix that counts as important to a group
    #[arg(long, default_value_t = 0.15)]
    share: f64,
    /// Share of all weights that the signed gap chooses
    #[arg(long, default_value_t = 0.0005)]
    budget: f64,
    /// Probability mass that may be left unexplored per prompt
    #[arg(long, default_value_t = 0.01)]
    unexplored: f64,
    /// Longest answer, in tokens
    #[arg(long, default_value_t = 4)]
    max_new_tokens: usize,
    /// Number of prompts that pass a layer as one batch
    #[arg(long, default_value_t = 40)]
    batch_rows: usize,
    /// Number of threads
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    finish(run(&Args::parse()))
}

/// What went through the layers since it was last looked at.
#[derive(Default)]
struct Counted {
    /// Tokens forward, and tokens whose gradients were taken.
    forward: AtomicUsize,
    backward: AtomicUsize,
    passes: AtomicUsize,
}

/// Speeds of this machine, measured just before.
struct Machine {
    flops: f64,
    bytes: f64,
}

impl Machine {
    fn measure(checkpoint: &Checkpoint, d_model: usize, d_mlp: usize) -> Result<Self, Failure> {
        let device = Default::default();
        let random = |shape| Tensor::<Flex, 2>::random(shape, Distribution::Default, &device);
        let (x, w) = (random([1024, d_model]), random([d_model, d_mlp]));
        let mut fastest = f64::INFINITY;
        for _ in 0..4 {
            let started = Instant::now();
            std::hint::black_box(x.clone().matmul(w.clone()).into_data());
            fastest = fastest.min(started.elapsed().as_secs_f64());
        }
        let flops = 2.0 * (1024 * d_model * d_mlp) as f64 / fastest;
        let files: Vec<PathBuf> = checkpoint.files().map(Path::to_owned).collect();
        let (next, started) = (AtomicUsize::new(0), Instant::now());
        let read = std::thread::scope(|scope| {
            let work = || {
                let (mut buffer, mut total) = (vec![0; 1 << 20], 0);
                while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut file = std::fs::File::open(path)?;
                    loop {
                        match file.read(&mut buffer)? {
                            0 => break,
                            n => total += n,
                        }
                    }
                }
                Ok::<_, std::io::Error>(total)
            };
            let threads = [scope.spawn(work), scope.spawn(work)];
            threads
                .into_iter()
                .map(|t| t.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .sum::<Result<usize, _>>()
        })?;
        Ok(Self { flops, bytes: read as f64 / started.elapsed().as_secs_f64() })
    }
}

/// Prints one row of the table.
struct Report<'a> {
    machine: Machine,
    counted: &'a Counted,
    /// Those that a token uses.
    weights: f64,
    bytes: f64,
}

impl Report<'_> {
    /// `reads`: how often the weights are read, where no pass is counted.
    fn row(&self, what: &str, cost: Cost, reads: usize) {
        let take = |count: &AtomicUsize| count.swap(0, Ordering::Relaxed) as f64;
        let (forward, backward) = (take(&self.counted.forward), take(&self.counted.backward));
        let passes = take(&self.counted.passes) + reads as f64;
        // A product takes two operations per weight and token; its gradient with respect to weights
        // and to inputs as much each, after the product itself was taken again.
        let flops = 2.0 * self.weights * (forward + 3.0 * backward);
        let floor = (flops / self.machine.flops).max(passes * self.bytes / self.machine.bytes);
        let beside = if floor > 0.0 {
            format!("{floor:.1} | {:.2}", cost.seconds / floor)
        } else {
            "– | –".into()
        };
        say!(
            "| {what} | {:.1} | {passes:.0} | {:.0} | {beside} | {} |",
            cost.seconds,
            forward + backward,
            cost.peak
                .map_or("?".into(), |peak| format!("{:.2}", peak as f64 / (1u64 << 30) as f64))
        );
    }
}

/// What some work took, with the most memory held at all.
fn whole<T>(work: impl FnOnce() -> T) -> (T, Cost) {
    let before = anonymous_memory();
    let (result, cost) = cost(work);
    (result, Cost { peak: cost.peak.zip(before).map(|(peak, before)| peak + before), ..cost })
}

/// Prompts about the two groups, as many of each.
fn prompts(
    model: &LanguageModel<Flex>,
    folder: &Path,
    per_group: usize,
) -> Result<[Vec<Sequence>; 2], Failure> {
    let set = PromptSet::from_csv(
        &folder.join("prompts.csv"),
        &Attribute::before("race", "_"),
        ["white", "black"],
    )?;
    let context = set.contexts.first().ok_or("prompts.csv is empty")?;
    let of = |arm: Arm| {
        let people = context.variations.iter().flat_map(|v| &v.people).filter(|p| p.arm == arm);
        let prompts = people.take(per_group).map(|p| model.text().prompt(&p.text, &p.name));
        prompts.collect::<Result<Vec<_>, _>>()
    };
    let both = [of(Arm::A)?, of(Arm::B)?];
    if both.iter().any(|own| own.len() < per_group) {
        return Err(format!("prompts.csv has fewer than {per_group} prompts about a group").into());
    }
    Ok(both)
}

fn cases(prompts: &[Sequence], answers: &[Answers]) -> Vec<PromptCase> {
    let of = |(prompt, own): (&Sequence, &Answers)| {
        let answer = |answer: &bias_model::generate::Answer| PossibleAnswer {
            tokens: answer.tokens.clone(),
            finished: answer.finished,
            value: parse_answer(&answer.text).value,
            weight: answer.weight,
            ..PossibleAnswer::default()
        };
        PromptCase::new(prompt.clone(), own.answers.iter().map(answer).collect())
    };
    prompts.iter().zip(answers).map(of).collect()
}

/// Mean over prompts of the answers' mean, and of what was left unexplored.
fn summary(cases: &[PromptCase], answers: &[Answers]) -> String {
    let (mut mean, mut n) = (0.0, 0.0f64);
    for own in cases {
        let valued = || own.answers.iter().filter_map(|a| Some((a.value?, a.weight)));
        let mass: f64 = valued().map(|(_, w)| w).sum();
        if mass > 0.0 {
            mean += valued().map(|(v, w)| v * w).sum::<f64>() / mass;
            n += 1.0;
        }
    }
    let lost = answers.iter().map(|own| own.unexplored).sum::<f64>() / answers.len().max(1) as f64;
    let paths = answers.iter().map(|own| own.answers.len()).sum::<usize>() / answers.len().max(1);
    format!(
        "mean answer {:.1}, {paths} answers a prompt, {:.2} % unexplored",
        mean / n.max(1.0),
        100.0 * lost
    )
}

fn run(args: &Args) -> Result<(), Failure> {
    rayon::ThreadPoolBuilder::new().num_threads(args.threads).build_global()?;
    let options = LoadOptions { precision: Precision::Mapped, ..LoadOptions::default() };
    let (loaded, loading) =
        whole(|| LanguageModel::<Flex>::load_with(&args.model, &options, &Default::default()));
    let mut model = loaded?;
    model.options_mut().batch_rows = args.batch_rows;
    model.options_mut().threads = args.threads;
    model.options_mut().max_new_tokens = args.max_new_tokens;
    let counted = Arc::new(Counted::default());
    let own = Arc::clone(&counted);
    let started = Instant::now();
    model.model_mut().on_layer(move |layer| {
        eprint!(
            "\r{:>6.0} s  layer {:>3} of {}, {} tokens ",
            started.elapsed().as_secs_f64(),
            layer.done,
            layer.of,
            layer.tokens
        );
        if layer.done == layer.of {
            let count = if layer.backward { &own.backward } else { &own.forward };
            count.fetch_add(layer.tokens, Ordering::Relaxed);
            own.passes.fetch_add(1, Ordering::Relaxed);
        }
    });
    let dims = *model.model().dims();
    let checkpoint = Checkpoint::open(&args.model)?;
    let wide = dims.experts.map_or(dims.d_mlp, |experts| experts.d_expert);
    let machine = Machine::measure(&checkpoint, dims.d_model, wide)?;
    say!(
        "{}: {} layers of {}, {:.2} billion weights in {} matrices; products run at {:.0} GFLOP/s, files are read at {:.1} GB/s\n",
        args.model.display(),
        dims.layers,
        dims.d_model,
        dims.prunable_weights() as f64 / 1e9,
        dims.projections().count(),
        machine.flops / 1e9,
        machine.bytes / 1e9
    );
    let stored: u64 =
        checkpoint.files().filter_map(|file| file.metadata().ok()).map(|m| m.len()).sum();
    let weights = dims.prunable_weights() as f64;
    // In a mixture, the experts that are not chosen are read and not computed.
    let mlp: usize = dims
        .projections()
        .filter(|(_, _, p)| p.sublayer() == Sublayer::Mlp)
        .map(|(_, _, p)| dims.shape(p).iter().product::<usize>())
        .sum();
    let used = dims
        .experts
        .map_or(1.0, |own| (own.per_token * own.d_expert + own.shared) as f64 / dims.d_mlp as f64);
    let tables = 2.0 * (dims.vocab * dims.d_model) as f64;
    let report = Report {
        machine,
        counted: &counted,
        weights: weights - (1.0 - used) * mlp as f64,
        bytes: stored as f64 * weights / (weights + tables),
    };
    say!(
        "| | seconds | passes | tokens, padding included | floor, seconds | ratio | peak RssAnon, GiB |"
    );
    say!("|---|---|---|---|---|---|---|");
    report.row("open", loading, 0);

    let groups = prompts(&model, &args.model, args.per_group)?;
    let all = groups.concat();
    let decoding = Decoding::exact_within(args.unexplored);
    let (answers, took) = whole(|| model.answers(&all, decoding));
    let answers = answers?;
    report.row("answers of both groups", took, 0);
    let before = cases(&all, &answers);
    let said = summary(&before, &answers);
    let contrast =
        Contrast { a: before[..args.per_group].to_vec(), b: before[args.per_group..].to_vec() };
    let (norms, took) = whole(|| Wanda.attribute(model.model(), &contrast));
    let norms = norms?;
    report.row("Wanda", took, 0);
    let (mask, took) =
        whole(|| norms.difference(model.model(), args.share, SetDifference::BWithoutA));
    let mask = mask?;
    report.row("set difference of all matrices", took, 1);
    let (undo, took) = whole(|| mask.apply(model.model_mut(), Intervention::Zero));
    let undo = undo?;
    report.row("mask applied", took, 0);
    let (after, took) = whole(|| model.answers(&all, decoding));
    let after = after?;
    report.row("answers under the mask", took, 0);
    let (reverted, took) = whole(|| undo.revert(model.model_mut()));
    reverted?;
    report.row("mask taken off", took, 0);
    let (chosen, held) = (mask.count(), model.model().weight_bytes());
    drop(mask);
    if args.gap_per_group > 0 {
        // A random model may give somebody no answer that is a number.
        let asked = |all: &[PromptCase]| {
            let with_number =
                all.iter().filter(|one| one.answers.iter().any(|answer| answer.value.is_some()));
            with_number.take(args.gap_per_group).cloned().collect::<Vec<_>>()
        };
        let contrast = Contrast { a: asked(&contrast.a), b: asked(&contrast.b) };
        let (a, b) = (contrast.a.len(), contrast.b.len());
        let count = (args.budget * weights) as usize;
        let tracked = model.model().differentiable::<Autodiff<Flex>>();
        let (found, took) = whole(|| {
            let mut top = StreamingTopK::new(count, dims.projections().map(|(path, ..)| path));
            let method = SignedGap::default().with_threads(args.threads);
            method.score(&tracked, &[contrast], &mut |scores| Ok(top.add(&scores)?))?;
            Ok::<_, Failure>(top.mask(count)?)
        });
        found?;
        report.row(&format!("signed gap of {a} and {b} prompts, highest {count}"), took, 0);
    }
    note!();
    say!(
        "\nBefore: {said}. After, {chosen} weights ({:.2} %) zeroed: {}.",
        100.0 * chosen as f64 / weights,
        summary(&cases(&all, &after), &after)
    );
    say!(
        "Weights held in memory: {:.1} MB; fingerprint {}.",
        held as f64 / 1e6,
        model.model().fingerprint()?.unwrap_or("?")
    );
    Ok(())
}
