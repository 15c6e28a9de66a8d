//! A model that did not come from files is nobody's: nothing about it is kept, and no truth is of
//! it.

use std::collections::BTreeMap;

use crate::small::{fixture, prompts};
use bias_model::{Decoder, LanguageModel};
use bias_study::find::Truth;
use bias_study::{Study, StudyError, StudyOptions};
use burn::backend::{Autodiff, Flex};

#[test]
fn what_no_file_says_is_not_kept() {
    let prompts = prompts(1, [1, 1]);
    let mut language =
        LanguageModel::<Flex>::load(&fixture("emergent"), &Default::default()).unwrap();
    let config = language.model().config().clone();
    *language.model_mut() = Decoder::init(config, 0.05, 7, &Default::default());
    let truth = Truth {
        format: Truth::FORMAT.into(),
        model: "abc".into(),
        shared_fraction: 1.0,
        shared: Vec::new(),
        contexts: BTreeMap::new(),
    };
    assert!(matches!(truth.check(language.model()), Err(StudyError::NoFingerprint { .. })));
    let folder = tempfile::tempdir().unwrap();
    let options =
        StudyOptions { out: Some(folder.path().join("study")), ..StudyOptions::default() };
    let refused = Study::<Autodiff<Flex>>::new(language, "fresh", &prompts, options);
    assert!(matches!(refused, Err(StudyError::NoFingerprint { .. })));
    assert!(!folder.path().join("study").exists());
}
