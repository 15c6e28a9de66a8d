//! An attribution method of your own: score weights, prune the best, and see what it did.
//!
//! `cargo run --release --example custom_attribution [MODEL_FOLDER]`

use std::error::Error;
use std::path::PathBuf;

use bias_attrib::{AttribError, Attribution, Contrast, Convention, ParamScores, Wanda};
use bias_files::say;
use bias_mask::{Intervention, Mask, top_fraction};
use bias_model::LanguageModel;
use bias_probe::HookedModel;
use bias_study::results::Attribute;
use bias_study::{PromptSet, Study, StudyOptions};
use burn::backend::{Autodiff, Flex};
use burn::tensor::backend::Backend;

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/emergent");

/// Weights through which the two groups send signals of different strength:
/// `|W_ij| · |‖x_j‖_A − ‖x_j‖_B|`, from the same channel norms that Wanda uses. Crude: weights that
/// carry the gap and weights that hold it down score alike.
#[derive(Debug, Clone, Copy, Default)]
pub struct NormGap;

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

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).map_or_else(|| SHIPPED.into(), PathBuf::from);
    let mut prompts = PromptSet::from_csv(
        &folder.join("prompts.csv"),
        &Attribute::before("race", "_"),
        ["white", "black"],
    )?;
    prompts.thin(3, 3);
    let model = LanguageModel::<Flex>::load(&folder, &Default::default())?;
    let mut study =
        Study::<Autodiff<Flex>>::new(model, "example", &prompts, StudyOptions::default())?;
    let before = study.audit()?;

    let contrast = Contrast::pooled(&study.contrasts(0)?);
    let mut mask = Mask::default();
    for own in NormGap.attribute(study.model().model(), &contrast)? {
        mask.insert(own.path().clone(), top_fraction(&own, 0.002)?)?;
    }
    let undo = mask.apply(study.model_mut().model_mut(), Intervention::Zero)?;
    let after = study.audit()?;
    undo.revert(study.model_mut().model_mut())?;
    say!("{} weights pruned, attributed on {}", mask.count(), before[0].context);
    for (b, a) in before.iter().zip(&after) {
        say!(
            "{:<14} mean |SMD| {:.2}, pruned {:.2}",
            b.context.as_str(),
            b.bias.value,
            a.bias.value
        );
    }
    Ok(())
}
