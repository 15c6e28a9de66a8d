//! Find the weights or heads that carry a context's bias, and keep them as a mask.

use std::path::PathBuf;
use std::process::ExitCode;

use bias_attrib::{
    Attribution as _, Contrast, Direction, HeadAttention, Random, SignedGap, Wanda, sum_scores,
};
use bias_core::{HeadId, Sublayer, Unit};
use bias_examples::cli::{Failure, ModelArgs, PromptArgs, finish};
use bias_examples::on_device;
use bias_mask::{HeadAblation, Mask, head_mask, top_carriers};
use bias_model::{Decoding, HookedModel as _, MaskTarget as _};
use bias_study::{Settings, Study, StudyOptions};
use burn::tensor::backend::AutodiffBackend;
use clap::{Parser, ValueEnum};

/// Score a model's weights or heads on one context's prompts and write the mask of
/// those to prune. Apply it with `prune`.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    prompts: PromptArgs,
    /// Context to attribute on; the first by default
    #[arg(long)]
    context: Option<String>,
    /// How to score
    #[arg(long, value_enum, default_value_t = Method::SignedGap)]
    method: Method,
    /// Share to prune: of all weights (signed-gap, random), of each matrix (wanda), of all heads
    #[arg(long, value_name = "SHARE")]
    budget: Option<f64>,
    /// Mask file to write
    #[arg(long, value_name = "FILE", default_value = "mask.safetensors")]
    out: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Method {
    /// First-order share of the gap, from the exact answer distribution
    SignedGap,
    /// The paper's: important for the second group and not for the first
    Wanda,
    /// Heads that look from the answer at the name, ranked once (`study` prunes round by round)
    HeadAttention,
    /// Random weights, to compare with
    Random,
}

fn main() -> ExitCode {
    finish(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let prompts = args.prompts.load(&args.model)?;
    let context = match &args.context {
        None => 0,
        Some(name) => prompts.index_of(name).ok_or_else(|| {
            let known: Vec<_> = prompts.contexts.iter().map(|c| c.context.as_str()).collect();
            format!("no context `{name}`; the prompts have {}", known.join(", "))
        })?,
    };
    let options = StudyOptions {
        settings: Settings {
            seed: args.model.seed,
            decoding: args.model.decoding(Decoding::exact_within(1e-2)),
            ..Settings::default()
        },
        threads: args.model.device.threads(),
        ..StudyOptions::default()
    };
    on_device!(args.model.device, |B, device| {
        let model = args.model.load(&device)?;
        let study = Study::<B>::new(model, &args.model.name(), &prompts, options)?;
        let contrasts = study.contrasts(context)?;
        let mask = find::<B>(args, &study, &contrasts)?
            .for_model(study.model().model().fingerprint())
            .with_note("method", format!("{:?}", args.method))
            .with_note("context", &prompts.contexts[context].context)
            .with_note("prompts", &prompts.sha256);
        mask.save(&args.out)?;
        describe(&mask, study.model().model().dims().layers);
        println!("wrote {}", args.out.display());
        Ok(())
    })
}

fn find<A: AutodiffBackend>(
    args: &Args,
    study: &Study<'_, A>,
    contrasts: &[Contrast],
) -> Result<Mask, Failure> {
    let model = study.model().model();
    let dims = *model.dims();
    let share = |default: f64| args.budget.unwrap_or(default);
    if !(0.0..=1.0).contains(&share(0.0)) {
        return Err("--budget is a share between 0 and 1".into());
    }
    let pooled = Contrast::pooled(contrasts);
    let weights = |default| (share(default) * dims.prunable_weights() as f64) as usize;
    Ok(match args.method {
        Method::SignedGap => {
            let gap =
                SignedGap::default().with_temperature(study.model().options().sampling.temperature())?;
            let model = model.differentiable::<A>();
            let scores = contrasts.iter().map(|c| gap.attribute(&model, c)).collect::<Result<Vec<_>, _>>()?;
            top_carriers(&sum_scores(scores.iter().map(Vec::as_slice))?, weights(0.002))?
        }
        Method::Random => {
            top_carriers(&Random::new(args.model.seed).attribute(model, &pooled)?, weights(0.002))?
        }
        Method::Wanda => {
            Wanda.attribute(model, &pooled)?.difference(model, share(0.15), Direction::BWithoutA)?
        }
        Method::HeadAttention => {
            let found = HeadAttention.attribute(model, &pooled)?;
            let count = (share(0.1) * found.scores.len() as f64).round() as usize;
            let heads = found.ranked().into_iter().filter_map(|unit| match unit {
                Unit::Head(head) => Some(*head),
                _ => None,
            });
            let heads: Vec<HeadId> = heads.take(count.max(1)).collect();
            head_mask(&dims, &heads, HeadAblation::ZeroOutput)?
        }
    })
}

fn describe(mask: &Mask, layers: usize) {
    println!("{} weights chosen", mask.count());
    println!("layer  attention        mlp");
    for layer in 0..layers {
        let count = |sublayer: Sublayer| -> usize {
            let own = mask.iter().filter(|(path, _)| {
                path.projection().is_some_and(|(l, p)| l == layer && p.sublayer() == sublayer)
            });
            own.map(|(_, bits)| bits.count()).sum()
        };
        println!("{layer:>5} {:>10} {:>10}", count(Sublayer::Attention), count(Sublayer::Mlp));
    }
}
