//! What does a mask cost on neutral text, and why?

use std::path::PathBuf;
use std::process::ExitCode;

use crate::{Failure, finish};
use bias_attrib::guard::{Cost, Guard, NeutralCost};
use bias_files::say;
use bias_mask::{Intervention, Mask};
use bias_model::{LanguageModel, Weights as _};
use bias_study::likelihood::perplexity;
use burn::backend::{Autodiff, Flex};
use clap::Parser;

/// The share of weights, or of channels, with the highest prices.
const HIGHEST: f64 = 0.01;

/// Say what masks cost on neutral text: by estimates that look at each weight alone, and when all
/// are pruned together.
///
/// For each mask, the program prints the rise of log-loss, the sums of the weights' first-order and
/// second-order prices, and how much of the mask lies among the 1 % of weights with the highest
/// prices, and among those that read the 1 % of channels with the largest norms. By chance, each of
/// these shares would be about 1 %.
#[derive(Parser)]
struct Args {
    /// Model folder, or a GGUF file
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Neutral text, one text per line
    #[arg(value_name = "FILE")]
    neutral: PathBuf,
    /// Masks of this model
    #[arg(value_name = "MASK", required = true)]
    masks: Vec<PathBuf>,
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    finish(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let mut model = LanguageModel::<Flex>::load(&args.model, &Default::default())?;
    let text = std::fs::read_to_string(&args.neutral)
        .map_err(|e| format!("cannot read {}: {e}", args.neutral.display()))?;
    let texts: Vec<String> = text.lines().map(str::to_owned).collect();
    let tokens =
        texts.iter().map(|text| model.text().plain(text)).collect::<Result<Vec<_>, _>>()?;
    let known = model.model().fingerprint()?;
    let masks = args.masks.iter().map(|path| Mask::load(path, known));
    let masks = masks.collect::<Result<Vec<_>, _>>()?;
    let differentiable = model.model().differentiable::<Autodiff<Flex>>();

    let kinds = [Cost::FirstOrder, Cost::SecondOrder];
    let mut sums = vec![[0.0f64; 2]; masks.len()];
    NeutralCost::default().each(&differentiable, &tokens, &mut |own| {
        for (mask, sums) in masks.iter().zip(&mut sums) {
            for index in mask.get(own.path()).into_iter().flat_map(|bits| bits.iter()) {
                for (sum, kind) in sums.iter_mut().zip(kinds) {
                    *sum += f64::from(own.of(kind).get(index).copied().unwrap_or_default());
                }
            }
        }
        Ok(())
    })?;
    let guards = [
        ("highest first-order price", Guard::sparing(Cost::FirstOrder, HIGHEST)?),
        ("highest second-order price", Guard::sparing(Cost::SecondOrder, HIGHEST)?),
        ("highest output price", Guard::sparing(Cost::Output, HIGHEST)?),
        ("readers of the largest channels", Guard::sparing_channels(HIGHEST)?),
    ];
    let mut dear = Vec::new();
    for (what, guard) in guards {
        dear.push((what, guard.measure(&differentiable, &tokens, 1)?));
    }

    let none = || Failure::from("no probability is left for neutral text");
    let before = perplexity(&model, &texts)?.ok_or_else(none)?.ln();
    say!("unpruned: log-loss {before:.4} nats per token");
    for ((mask, path), sums) in masks.iter().zip(&args.masks).zip(sums) {
        let undo = mask.apply(model.model_mut(), Intervention::Zero)?;
        let after = perplexity(&model, &texts)?;
        undo.revert(model.model_mut())?;
        let rise = after.map_or("no probability is left".into(), |own| {
            format!("{:+.4} nats per token", own.ln() - before)
        });
        say!("{}: {} weights, log-loss {rise}", path.display(), mask.count());
        for (kind, sum) in kinds.iter().zip(sums) {
            say!("  sum of {kind} prices: {sum:.4}");
        }
        for (what, own) in &dear {
            let both = mask.intersection(own.spared())?.count() as f64;
            say!("  1 % {what}: {:.1} % of it", 100.0 * both / mask.count().max(1) as f64);
        }
    }
    Ok(())
}
