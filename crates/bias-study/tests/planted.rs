//! The planted models: fair without their planted neurons, unfair by them, and by no others.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::PathBuf;

use bias_core::{Context, Unit, UnitKind};
use bias_mask::{HeadAblation, unit_mask};
use bias_model::{Decoding, HookedModel as _, LanguageModel};
use bias_study::{Candidate, Outcome, PromptSet, Scope, Settings, Study, StudyOptions, TrainedOn, Truth};
use burn::backend::{Autodiff, Flex};

/// Names of each group that are asked about: enough for means, few enough for a test.
const NAMES: usize = 10;

struct Planted {
    folder: PathBuf,
    prompts: PromptSet,
    truth: Truth,
}

impl Planted {
    fn load(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/planted").join(name);
        let mut prompts = PromptSet::from_csv(&folder.join("prompts.csv"), ["white", "black"]).unwrap();
        prompts.thin(NAMES / 2, NAMES / 2);
        let truth = Truth::load(&folder.join("truth.json")).unwrap();
        Self { folder, prompts, truth }
    }

    fn study(&self) -> Study<'_, Autodiff<Flex>> {
        let model = LanguageModel::load(&self.folder, &Default::default()).unwrap();
        let options = StudyOptions {
            settings: Settings {
                decoding: Decoding::exact_within(1e-2),
                resamples: 100,
                ..Settings::default()
            },
            threads: 2,
            ..StudyOptions::default()
        };
        Study::new(model, "planted", &self.prompts, options).unwrap()
    }

    fn contexts(&self) -> Vec<Context> {
        self.prompts.contexts.iter().map(|own| own.context.clone()).collect()
    }
}

/// What silencing these units does in every context: bias before, bias after.
fn without(study: &mut Study<'_, Autodiff<Flex>>, units: &[Unit], of: &Context) -> Vec<Outcome> {
    let dims = *study.model().model().dims();
    let candidate = Candidate {
        method: "truth".into(),
        unit: UnitKind::Neuron,
        budget: format!("{}", units.len()),
        trained_on: TrainedOn::Context(of.clone()),
        mask: unit_mask(&dims, units, HeadAblation::ZeroOutput).unwrap(),
    };
    let (_, outcomes) = study.test(&candidate).unwrap();
    outcomes.into_iter().filter(|o| o.scope != Scope::Attributed).collect()
}

fn check(name: &str) {
    let planted = Planted::load(name);
    let mut study = planted.study();
    let contexts = planted.contexts();
    assert_eq!(contexts.len(), 3);
    let shared = planted.truth.shared_fraction;

    for outcome in without(&mut study, &planted.truth.all(), &contexts[0]) {
        println!(
            "{name} {}: {:.3} before, {:.3} without all",
            outcome.context, outcome.before, outcome.after.value
        );
        assert!(outcome.before >= 0.5, "{}: {}", outcome.context, outcome.before);
        assert!(outcome.after.value <= 0.05, "{}: {}", outcome.context, outcome.after.value);
    }
    let left = |study: &mut Study<'_, Autodiff<Flex>>, units: &[Unit], of: &Context| -> Vec<(Context, f64)> {
        let own = without(study, units, of).into_iter();
        own.map(|o| (o.context, o.after.value / o.before)).collect()
    };
    if !planted.truth.shared.is_empty() {
        for (context, left) in left(&mut study, &planted.truth.shared, &contexts[0]) {
            println!("{name} {context}: {left:.3} left without the shared set, {:.3} expected", 1.0 - shared);
            assert!((left - (1.0 - shared)).abs() <= 0.15, "{context}: {left} left without the shared set");
        }
    }
    for own in contexts.iter().filter(|c| planted.truth.contexts.get(c).is_some_and(|own| !own.is_empty())) {
        for (context, left) in left(&mut study, &planted.truth.contexts[own], own) {
            println!("{name} {context}: {left:.3} left without the set of {own}");
            if context == *own {
                // Most of what is its own: at least two thirds.
                assert!(left <= shared + (1.0 - shared) / 3.0, "{own} without its own set: {left}");
            } else {
                assert!((left - 1.0).abs() <= 0.1, "{context} without the set of {own}: {left}");
            }
        }
    }
}

#[test]
fn nothing_is_shared() {
    check("shared-0");
}

#[test]
fn part_is_shared() {
    check("shared-40");
}

#[test]
fn all_is_shared() {
    check("shared-100");
}
