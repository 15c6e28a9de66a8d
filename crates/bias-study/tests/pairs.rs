//! Sentence pairs against transformers, on `fixtures/pairs`.
//!
//! Tolerance: 1e-4 nats in sums over sentences of up to 75 tokens and 550 nats; both sides run the
//! model in f32.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::PathBuf;

use bias_metrics::ranking::{PairDirection, pair_preference};
use bias_model::LanguageModel;
use bias_study::StudyError;
use bias_study::likelihood::{PairSet, Reading, SentencePair, score_pairs};
use burn::backend::Flex;
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
        serde_json::from_slice(&std::fs::read(fixtures().join("pairs/expected.json")).unwrap())
            .unwrap();
    let found = score_pairs(&embedded(), &set.pairs, &Reading::default(), &mut |_| {}).unwrap();
    assert_eq!((found.len(), set.pairs.len()), (expected.len(), expected.len()));
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let pairs = found
            .whole
            .iter()
            .zip(&expected.whole)
            .chain(found.shared.iter().zip(&expected.shared));
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
        direction: PairDirection::Stereo,
        bias_type: "x".into(),
    };
    let pairs = [pair("Fine."), pair(&"very ".repeat(200))];
    let error = score_pairs(&embedded(), &pairs, &Reading::default(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, StudyError::Pair { pair: 2, .. }), "{error}");
    assert!(error.to_string().contains("very very"), "{error}");
}

/// Behind a text a sentence is as probable as both together, given the text.
#[test]
fn sentences_are_read_behind_a_text_and_per_token() {
    let model = embedded();
    let of = |more: &str, less: &str, reading: &Reading| {
        let pair = SentencePair {
            more: more.into(),
            less: less.into(),
            direction: PairDirection::Stereo,
            bias_type: "x".into(),
        };
        score_pairs(&model, &[pair], reading, &mut |_| {}).unwrap()[0].whole
    };
    let (before, sentence) = ("I want to buy a bicycle", "from Emily Becker.");
    let behind = Reading { before: before.into(), per_token: false };
    let [both, alone] = of(&format!("{before} {sentence}"), before, &Reading::default());
    let [found, other] = of(sentence, "from Jamal Washington.", &behind);
    assert!(
        (found - (both - alone)).abs() < 1e-4 && found != other,
        "{found} and {both} - {alone}"
    );
    let tokens = model.text().verbatim(&format!("{before} {sentence}")).unwrap().len()
        - model.text().verbatim(before).unwrap().len();
    let [each, _] = of(sentence, "from Jamal Washington.", &Reading { per_token: true, ..behind });
    assert!((each * tokens as f64 - found).abs() < 1e-9, "{each} of {tokens}, {found}");
}
