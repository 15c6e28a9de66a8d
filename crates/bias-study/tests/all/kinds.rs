//! The embedded task in other kinds and sizes of decoder: learned, and biased as taught.

use std::path::PathBuf;

use bias_model::{HookedModel as _, LanguageModel};
use bias_study::results::Attribute;
use bias_study::{PromptSet, Settings, Study, StudyOptions};
use burn::backend::{Autodiff, Flex};

#[test]
fn every_kind_learned_the_task_and_its_bias() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/kinds");
    let mut sizes = Vec::new();
    for name in ["gpt2", "qwen3", "small"] {
        let model = folder.join(name);
        let mut prompts = PromptSet::from_csv(
            &model.join("prompts.csv"),
            &Attribute::before("race", "_"),
            ["white", "black"],
        )
        .unwrap();
        prompts.thin(2, 2);
        let model = LanguageModel::<Flex>::load(&model, &Default::default()).unwrap();
        sizes.push((name, model.model().dims().prunable_weights()));
        let options = StudyOptions {
            settings: Settings { resamples: 50, ..Settings::default() },
            threads: 2,
            ..StudyOptions::default()
        };
        let mut study = Study::<Autodiff<Flex>>::new(model, name, &prompts, options).unwrap();
        for own in study.audit().unwrap() {
            // Deposits, where less is better, are turned round: positive favours white names
            // everywhere.
            assert!(own.signed.value > 0.8, "{name}, {}: {:?}", own.context, own.signed);
            assert!(own.inlier.value > 0.95, "{name}, {}: {:?}", own.context, own.inlier);
        }
    }
    assert!(sizes[0].1 > 5 * sizes[2].1, "{sizes:?}");
}
