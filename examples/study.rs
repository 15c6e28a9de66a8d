//! The whole experiment: audit, attribute, prune and audit again, in every context.
//!
//! `cargo run --release --example study [MODEL_FOLDER [OUT_FOLDER]]`

use std::error::Error;
use std::path::PathBuf;

use bias_files::say;
use bias_model::{Decoding, LanguageModel};
use bias_study::results::Attribute;
use bias_study::{Plan, PromptSet, Settings, Study, StudyOptions, report, tables};
use burn::backend::{Autodiff, Flex};

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/emergent");

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = args.next().unwrap_or_else(|| SHIPPED.into());
    let out = args.next();

    // Few names and a short plan: a look. `Plan::Full` and all names are a study.
    let mut prompts = PromptSet::from_csv(
        &folder.join("prompts.csv"),
        &Attribute::before("race", "_"),
        ["white", "black"],
    )?;
    prompts.thin(3, 3);
    let options = StudyOptions {
        settings: Settings {
            decoding: Decoding::exact_within(1e-2),
            resamples: 500,
            ..Settings::default()
        },
        plan: Plan::Short,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        // With a folder, masks and every finished step are kept, and a study that was stopped goes
        // on there.
        out: out.clone(),
        ..StudyOptions::default()
    };
    let model = LanguageModel::<Flex>::load(&folder, &Default::default())?;
    let results = Study::<Autodiff<Flex>>::new(model, "example", &prompts, options)?.run()?;

    say!("{}", tables(&results));
    if let Some(out) = out {
        results.save(&out.join("results.json"))?;
        std::fs::write(out.join("report.html"), report(&results)?)?;
    }
    Ok(())
}
