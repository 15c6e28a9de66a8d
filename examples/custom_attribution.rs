//! Your own attribution method through the trait, in a crate of your own.

use std::process::ExitCode;

use bias_attrib::{AttribError, Attribution, Contrast, Wanda};
use bias_core::{Convention, ParamScores};
use bias_examples::cli::{Failure, ModelArgs, PromptArgs, finish};
use bias_examples::on_device;
use bias_mask::{Intervention, Mask, top_fraction};
use bias_model::Decoding;
use bias_probe::HookedModel;
use bias_study::{Settings, Study, StudyOptions};
use burn::tensor::backend::Backend;
use clap::Parser;

/// Weights through which the two groups send signals of different strength:
/// `|W_ij| · |‖x_j‖_A − ‖x_j‖_B|`, from the same channel norms that Wanda uses.
///
/// Unsigned and therefore crude: it cannot tell weights that carry the gap from those
/// that hold it down. It is here to show how little a method of one's own takes.
struct NormGap;

impl<B: Backend, M: HookedModel<B>> Attribution<B, M> for NormGap {
    type Found = Vec<ParamScores>;

    fn name(&self) -> &'static str {
        "norm-gap"
    }

    fn attribute(&self, model: &M, contrast: &Contrast) -> Result<Vec<ParamScores>, AttribError> {
        let norms = Wanda.attribute(model, contrast)?;
        let scores = model.dims().projections().map(|(path, ..)| {
            let [a, b] = norms.scores(model, &path)?;
            let gap = a.values().iter().zip(b.values()).map(|(a, b)| (a - b).abs()).collect();
            Ok(ParamScores::new(path, a.shape(), Convention::Importance, gap)?)
        });
        scores.collect()
    }
}

/// Score with a method that is not part of the workspace, prune, and see what it did.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    prompts: PromptArgs,
    /// Share of each matrix to prune
    #[arg(long, default_value_t = 0.002)]
    budget: f64,
}

fn main() -> ExitCode {
    finish(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let prompts = args.prompts.load(&args.model)?;
    let threads = args.model.device.threads();
    on_device!(args.model.device, |B, device| {
        let settings = Settings {
            seed: args.model.seed,
            decoding: args.model.decoding(Decoding::exact_within(1e-2)),
            ..Settings::default()
        };
        let options = StudyOptions { settings, threads, ..StudyOptions::default() };
        let mut study = Study::<B>::new(args.model.load(&device)?, &args.model.name(), &prompts, options)?;
        let before = study.audit()?;
        let contrast = Contrast::pooled(&study.contrasts(0)?);
        let scores = NormGap.attribute(study.model().model(), &contrast)?;
        let mut mask = Mask::default();
        for own in &scores {
            mask.insert(own.path().clone(), top_fraction(own, args.budget)?)?;
        }
        let undo = mask.apply(study.model_mut().model_mut(), Intervention::Zero)?;
        let after = study.audit()?;
        undo.revert(study.model_mut().model_mut())?;
        println!("{} weights pruned, attributed on {}", mask.count(), prompts.contexts[0].context);
        println!("{:<14} mean |SMD| before    after", "context");
        for (b, a) in before.iter().zip(&after) {
            println!("{:<14} {:>17.2} {:>8.2}", b.context.as_str(), b.bias.value, a.bias.value);
        }
        Ok(())
    })
}
