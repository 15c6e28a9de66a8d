//! What a planted model promises, measured: fair without its planted neurons, unfair by them, and each set for its own part.

use std::path::Path;

use bias_mask::{HeadAblation, unit_mask};
use bias_model::{Decoding, HookedModel as _, LanguageModel};
use bias_study::find::Truth;
use bias_study::results::{Attribute, Outcome};
use bias_study::{Candidate, PromptSet, Scope, Settings, Study, StudyOptions, TrainedOn};
use bias_types::prompt::Context;
use bias_types::{Unit, UnitKind};
use burn::backend::{Autodiff, Flex};

use crate::cli::Failure;

/// Names of each group that are asked about.
const NAMES: usize = 5;
/// Mean |SMD| of a context: at least this much with the planted neurons, at most that much without any.
const UNFAIR: f64 = 0.5;
const FAIR: f64 = 0.05;
/// How far what is left of a bias may be from what a set that was not taken away should leave.
const SHARED_WITHIN: f64 = 0.15;
const OTHERS_WITHIN: f64 = 0.1;

/// Something a planted model should do.
#[derive(Debug)]
pub struct Promise {
    /// In words, with the number measured.
    pub what: String,
    /// Whether it does.
    pub kept: bool,
}

/// Measures all of them on a folder with a truth file.
///
/// # Errors
/// A folder that cannot be loaded, a truth of another model, a failed pass.
pub fn promises(folder: &Path) -> Result<Vec<Promise>, Failure> {
    let mut prompts = PromptSet::from_csv(
        &folder.join("prompts.csv"),
        &Attribute::before("race", "_"),
        ["white", "black"],
    )?;
    prompts.thin(NAMES, NAMES);
    let truth = Truth::load(&folder.join("truth.json"))?;
    let model = LanguageModel::<Flex>::load(folder, &Default::default())?;
    truth.check(model.model())?;
    let settings = Settings { decoding: Decoding::exact_within(1e-2), resamples: 100, ..Settings::default() };
    let options = StudyOptions { settings, threads: 2, ..StudyOptions::default() };
    let mut study = Study::<Autodiff<Flex>>::new(model, "planted", &prompts, options)?;
    let contexts: Vec<Context> = prompts.contexts.iter().map(|own| own.context.clone()).collect();
    let shared = truth.shared_fraction;

    let mut found = Vec::new();
    let mut promise = |kept: bool, what: String| found.push(Promise { what, kept });
    let Some(first) = contexts.first() else { return Err("no context has prompts".into()) };
    for own in without(&mut study, &truth.all(), first)? {
        let (before, after) = (own.before, own.after.value);
        promise(before >= UNFAIR, format!("{}: mean |SMD| {before:.3}, at least {UNFAIR}", own.context));
        promise(after <= FAIR, format!("{}: {after:.3} without all sets, at most {FAIR}", own.context));
    }
    if !truth.shared.is_empty() {
        for own in without(&mut study, &truth.shared, first)? {
            let (left, expected) = (own.after.value / own.before, 1.0 - shared);
            let what =
                format!("{}: {left:.3} of it left without the shared set, about {expected:.2}", own.context);
            promise((left - expected).abs() <= SHARED_WITHIN, what);
        }
    }
    for context in &contexts {
        let Some(units) = truth.contexts.get(context).filter(|units| !units.is_empty()) else { continue };
        for own in without(&mut study, units, context)? {
            let left = own.after.value / own.before;
            let without = format!("{}: {left:.3} of it left without the set of {context}", own.context);
            if own.context == *context {
                // Most of what is its own: at least two thirds.
                let most = shared + (1.0 - shared) / 3.0;
                promise(left <= most, format!("{without}, at most {most:.2}"));
            } else {
                promise((left - 1.0).abs() <= OTHERS_WITHIN, format!("{without}, about 1"));
            }
        }
    }
    Ok(found)
}

/// What silencing these units does in every context.
fn without(
    study: &mut Study<'_, Autodiff<Flex>>,
    units: &[Unit],
    of: &Context,
) -> Result<Vec<Outcome>, Failure> {
    let dims = *study.model().model().dims();
    let candidate = Candidate {
        method: "truth".into(),
        unit: UnitKind::Neuron,
        budget: units.len().to_string().into(),
        trained_on: TrainedOn::Context(of.clone()),
        null_of: None,
        mask: unit_mask(&dims, units, HeadAblation::ZeroOutput)?,
    };
    let (_, outcomes) = study.test(&candidate)?;
    Ok(outcomes.into_iter().filter(|own| own.scope != Scope::Attributed).collect())
}
