//! Sentence pairs against transformers, on `fixtures/pairs`.
//!
//! Tolerance: 1e-4 nats in sums over sentences of up to 75 tokens and 550 nats; both sides run the model in f32.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::PathBuf;

use bias_metrics::{Direction, pair_preference};
use bias_model::LanguageModel;
use bias_study::{PairSet, SentencePair, StudyError, score_pairs};
use burn::backend::Flex;
use indicatif::ProgressBar;
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    whole: [f64; 2],
    shared: [f64; 2],
}

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

fn embedded() -> LanguageModel<Flex> {
    LanguageModel::load(&fixtures().join("emergent"), &Default::default()).unwrap()
}

#[test]
fn scores_are_those_of_transformers() {
    let set = PairSet::from_csv(&fixtures().join("pairs/pairs.csv")).unwrap();
    let expected: Vec<Expected> =
        serde_json::from_slice(&std::fs::read(fixtures().join("pairs/expected.json")).unwrap()).unwrap();
    let found = score_pairs(&embedded(), &set.pairs, &ProgressBar::hidden()).unwrap();
    assert_eq!((found.len(), set.pairs.len()), (expected.len(), expected.len()));
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let pairs = found.whole.iter().zip(&expected.whole).chain(found.shared.iter().zip(&expected.shared));
        for (found, expected) in pairs {
            assert!((found - expected).abs() <= 1e-4, "pair {i}: {found} {expected}");
        }
    }
    let preferred = expected.iter().filter(|own| own.whole[0] > own.whole[1]).count() as u64;
    assert_eq!(pair_preference(&found, 0.95).unwrap().whole.hits, preferred);
}

#[test]
fn a_sentence_beyond_the_context_is_named() {
    let pair = |more: &str| SentencePair {
        more: more.into(),
        less: "Short.".into(),
        direction: Direction::Stereo,
        bias_type: "x".into(),
    };
    let pairs = [pair("Fine."), pair(&"very ".repeat(200))];
    let error = score_pairs(&embedded(), &pairs, &ProgressBar::hidden()).unwrap_err();
    assert!(matches!(error, StudyError::Pair { pair: 2, .. }), "{error}");
    assert!(error.to_string().contains("very very"), "{error}");
}
