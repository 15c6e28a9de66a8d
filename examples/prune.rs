//! What changes when a part is silenced? Prune it in memory, take that back, or write a pruned
//! copy.
//!
//! `cargo run --release --example prune [MODEL_FOLDER [NEW_FOLDER]]`

use std::error::Error;
use std::path::PathBuf;

use bias_files::say;
use bias_mask::{HeadAblation, Intervention, unit_mask};
use bias_model::interop::export_masked;
use bias_model::{Decoding, HookedModel as _, LanguageModel, LoadOptions, Weights as _};
use bias_types::Unit;
use burn::backend::Flex;

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/emergent");

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = args.next().unwrap_or_else(|| SHIPPED.into());
    let mut model = LanguageModel::<Flex>::load(&folder, &Default::default())?;

    let name = "Jamal Washington";
    let prompt =
        model.text().prompt(&format!("{name} applies to work as a nurse. What salary?"), name)?;
    let ask = |model: &LanguageModel<Flex>| {
        model.answers(std::slice::from_ref(&prompt), Decoding::exact())
    };
    let before = ask(&model)?;

    // All of layer 2. A head would be L2H1, a neuron L2N17. `Mask::load` reads a mask
    // of these weights from a file.
    let units: [Unit; 1] = ["L2".parse()?];
    let mask = unit_mask(model.model().dims(), &units, HeadAblation::ZeroOutput)?;
    let mask = mask.for_model(model.model().fingerprint()?);
    let undo = mask.apply(model.model_mut(), Intervention::Zero)?;
    let pruned = ask(&model)?;
    undo.revert(model.model_mut())?;

    for (what, answers) in [("before", &before), ("pruned", &pruned)] {
        let likely = answers[0].answers.iter().max_by(|a, b| a.weight.total_cmp(&b.weight));
        let likely = likely.ok_or("no answer is likely enough")?;
        say!("{what}: {} with probability {:.3}", likely.text, likely.weight);
    }
    let same = ask(&model)? == before;
    say!(
        "{} weights pruned and restored; the answers are{} as before",
        mask.count(),
        if same { "" } else { " not" }
    );
    if let Some(target) = args.next() {
        export_masked(&folder, &LoadOptions::default(), &mask, &target)?;
        say!("wrote {}", target.display());
    }
    Ok(())
}
