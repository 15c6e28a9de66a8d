//! A model that is left in its file is studied with the same results.

use crate::small::{fixture, prompts};
use bias_mask::Mask;
use bias_model::{HookedModel as _, LanguageModel, LoadOptions, Precision};
use bias_study::results::Baseline;
use bias_study::{
    Candidate, Finding, Method, Plan, Settings, Study, StudyError, StudyOptions, TrainedOn,
};
use bias_types::UnitKind;
use burn::backend::{Autodiff, Flex};

type B = Autodiff<Flex>;

/// An audit, masks of three methods, and a test of one of them.
struct Found {
    audit: Vec<Baseline>,
    wanda: Mask,
    top: Mask,
    snip: Result<Finding, StudyError>,
    tested: String,
}

fn find(precision: Precision) -> Found {
    let options = LoadOptions { precision, ..LoadOptions::default() };
    let model =
        LanguageModel::load_with(&fixture("emergent"), &options, &Default::default()).unwrap();
    let prompts = prompts(2, [3, 3]);
    let options = StudyOptions {
        settings: Settings { resamples: 50, ..Settings::default() },
        plan: Plan::Short,
        threads: 2,
        ..StudyOptions::default()
    };
    let mut study = Study::<B>::new(model, "embedded", &prompts, options).unwrap();
    let method = |name| Method::<B>::named(name, UnitKind::Weight).unwrap();
    let dims = *study.model().model().dims();
    let wanda = study.find(&method("wanda"), 0, 0.01).unwrap().tops(0.15).unwrap().unwrap();
    let count = dims.prunable_weights() / 1000;
    let top = study.find(&method("signed-gap"), 0, 0.001).unwrap().mask(&dims, count).unwrap();
    let snip = study.find(&method("snip"), 0, 0.001);
    let audit = study.audit().unwrap();
    let candidate = Candidate {
        method: "wanda".into(),
        unit: UnitKind::Weight,
        budget: "15%".into(),
        trained_on: TrainedOn::Context(prompts.contexts[0].context.clone()),
        null_of: None,
        mask: wanda.clone(),
    };
    let tested = format!("{:?}", study.test(&candidate).unwrap());
    Found { audit, wanda, top, snip, tested }
}

#[test]
fn a_study_of_a_streamed_model() {
    let (resident, streamed) = (find(Precision::F32), find(Precision::Mapped));
    assert_eq!(streamed.audit, resident.audit);
    assert_eq!(streamed.wanda, resident.wanda);
    assert_eq!(streamed.tested, resident.tested);
    // Added up over variations in another order: which of nearly equal scores are chosen may
    // differ.
    let count = resident.top.count();
    assert_eq!(streamed.top.count(), count);
    let common = resident.top.intersection(&streamed.top).unwrap().count();
    assert!(common as f64 >= 0.995 * count as f64, "{common} of {count}");
    // What needs all gradients at once says so.
    assert!(resident.snip.is_ok());
    let refused = streamed.snip.unwrap_err();
    let mut causes =
        std::iter::successors(Some(&refused as &dyn std::error::Error), |e| e.source());
    assert!(
        causes.any(|cause| cause.to_string().contains("needs the model in memory")),
        "{refused:?}"
    );
}
