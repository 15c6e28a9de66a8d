//! Which weights carry the difference? Score all of them, and keep the best as a mask file.
//!
//! `cargo run --release --example attribute [MODEL_FOLDER [MASK_FILE]]`

use std::error::Error;
use std::path::PathBuf;

use bias_attrib::{Attribution as _, Contrast, SignedGap};
use bias_files::say;
use bias_mask::top_k;
use bias_model::{LanguageModel, Weights as _};
use bias_study::results::Attribute;
use bias_study::{PromptSet, Study, StudyOptions};
use burn::backend::{Autodiff, Flex};

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/emergent");

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = args.next().unwrap_or_else(|| SHIPPED.into());

    // The same questions about people of two groups, three names of each.
    let mut prompts = PromptSet::from_csv(
        &folder.join("prompts.csv"),
        &Attribute::before("race", "_"),
        ["white", "black"],
    )?;
    prompts.thin(3, 3);
    let model = LanguageModel::<Flex>::load(&folder, &Default::default())?;
    let study = Study::<Autodiff<Flex>>::new(model, "example", &prompts, StudyOptions::default())?;
    // Answers to them, with their probabilities: all that a method needs to know.
    let contrast = Contrast::pooled(&study.contrasts(0)?);

    // A score is a weight's share of the gap, to first order: above 0 it carries it, below it holds
    // it down.
    let model = study.model().model();
    let differentiable = model.differentiable::<Autodiff<Flex>>();
    let scores = SignedGap::default().attribute(&differentiable, &contrast)?;
    let mask =
        top_k(&scores, 500)?.for_model(model.fingerprint()?).with_note("method", "signed-gap");
    for (path, bits) in mask.iter() {
        say!("{:>5} weights of {path}", bits.count());
    }
    if let Some(file) = args.next() {
        mask.save(&file)?;
        say!("wrote {}", file.display());
    }
    Ok(())
}
