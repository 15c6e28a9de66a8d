//! Sentence pairs against transformers, on `fixtures/pairs`.
//!
//! Tolerance: 1e-4 nats in sums over sentences of up to 75 tokens and 550 nats; both sides run the
//! model in f32.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bias_metrics::ranking::{PairDirection, pair_preference};
use bias_model::{LanguageModel, TextCodec, Tokenize as _};
use bias_study::StudyError;
use bias_study::likelihood::{PairSet, Reading, SentencePair, score_pairs};
use burn::backend::Flex;
use serde::Deserialize;
use serde_json::{Value, json};

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
    // White space at the end of the text belongs to the sentence.
    let spaced = Reading { before: format!("{before} "), per_token: false };
    assert_eq!(of(sentence, "from Jamal Washington.", &spaced), [found, other]);
    let tokens = model.text().verbatim(&format!("{before} {sentence}")).unwrap().len()
        - model.text().verbatim(before).unwrap().len();
    let [each, _] = of(sentence, "from Jamal Washington.", &Reading { per_token: true, ..behind });
    assert!((each * tokens as f64 - found).abs() < 1e-9, "{each} of {tokens}, {found}");
}

#[derive(Deserialize)]
struct Prefixes {
    /// By folders of `fixtures/gguf`.
    gguf: BTreeMap<String, u32>,
    cases: Vec<Case>,
    scored: Vec<Scored>,
    begun: Scored,
}

#[derive(Deserialize)]
struct Case {
    model_type: String,
    tokenizer_config: Option<Value>,
    special_tokens_map: Option<Value>,
    /// The id; beyond the vocabulary for a token that transformers adds.
    prefix: Option<u32>,
    /// The message of transformers.
    refused: Option<String>,
}

#[derive(Deserialize)]
struct Scored {
    tokenizer_config: Value,
    specials_added: bool,
    context: String,
    whole: Vec<[f64; 2]>,
}

/// The folder of `fixtures/pairs/prefixes.py`: the embedded model with other files beside its
/// tokenizer.
fn folder(
    model_type: &str,
    settings: Option<&Value>,
    special: Option<&Value>,
    specials_added: bool,
) -> tempfile::TempDir {
    let at = tempfile::tempdir().unwrap();
    let embedded = fixtures().join("emergent");
    let json = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(embedded.join(name)).unwrap()).unwrap()
    };
    let put = |name: &str, value: &Value| {
        std::fs::write(at.path().join(name), value.to_string()).unwrap();
    };
    let mut config = json("config.json");
    config["model_type"] = json!(model_type);
    put("config.json", &config);
    let mut tokenizer = json("tokenizer.json");
    if !specials_added {
        tokenizer["post_processor"] = Value::Null;
    }
    put("tokenizer.json", &tokenizer);
    settings.into_iter().for_each(|own| put("tokenizer_config.json", own));
    special.into_iter().for_each(|own| put("special_tokens_map.json", own));
    at
}

fn prefixes() -> Prefixes {
    let path = fixtures().join("pairs/prefixes.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// `config.json` has a `bos_token_id` in all of these.
#[test]
fn the_token_that_sentences_follow_is_the_tokenizers_as_in_transformers() {
    let Prefixes { gguf, cases, .. } = prefixes();
    assert!(gguf.len() > 10);
    for (name, id) in gguf {
        let file = fixtures().join("gguf").join(&name).join("model.gguf");
        let found = TextCodec::from_folder(&file).unwrap().prefix_token().unwrap();
        assert_eq!(found, Some(id), "{name}");
    }
    assert!(cases.len() > 25);
    for case in cases {
        let (settings, special) =
            (case.tokenizer_config.as_ref(), case.special_tokens_map.as_ref());
        let folder = folder(&case.model_type, settings, special, true);
        let found = TextCodec::from_folder(folder.path())
            .map_err(|error| error.to_string())
            .and_then(|codec| codec.prefix_token().map_err(|error| error.to_string()));
        let shown = format!("{} {settings:?} {special:?}: {found:?}", case.model_type);
        match (case.refused, case.prefix) {
            (None, prefix) => assert_eq!(found.unwrap(), prefix, "{shown}"),
            (Some(_), _) => {
                assert!(found.unwrap_err().contains("bos_token"), "{shown}")
            }
        }
    }
}

/// A folder as Qwen's: the tokenizer has no bos_token, adds nothing, and config.json names one.
#[test]
fn sentences_follow_what_lm_evaluation_harness_puts_there() {
    let set = PairSet::from_csv(&fixtures().join("pairs/pairs.csv")).unwrap();
    let prefixes = prefixes();
    let mut shares = Vec::new();
    for (own, begun) in
        prefixes.scored.iter().map(|own| (own, false)).chain([(&prefixes.begun, true)])
    {
        let at = folder("llama", Some(&own.tokenizer_config), None, own.specials_added);
        for name in ["model.safetensors", "generation_config.json"] {
            std::fs::copy(fixtures().join("emergent").join(name), at.path().join(name)).unwrap();
        }
        let model = LanguageModel::<Flex>::load(at.path(), &Default::default()).unwrap();
        let mut pairs = set.pairs[..own.whole.len()].to_vec();
        if begun {
            // The sentences begin with the token already.
            for pair in &mut pairs {
                (pair.more, pair.less) = (format!("<s>{}", pair.more), format!("<s>{}", pair.less));
            }
        }
        let reading = Reading { before: own.context.clone(), per_token: false };
        let found = score_pairs(&model, &pairs, &reading, &mut |_| {}).unwrap();
        for (i, (found, expected)) in found.iter().zip(&own.whole).enumerate() {
            for (found, expected) in found.whole.iter().zip(expected) {
                assert!(
                    (found - expected).abs() <= 1e-4,
                    "{} {:?}, pair {i}: {found} {expected}",
                    own.tokenizer_config,
                    own.context
                );
            }
        }
        shares.push(pair_preference(&found, 0.95).unwrap().whole.hits);
    }
    // Behind config.json's token it would be another number.
    let behind_bos =
        score_pairs(&embedded(), &set.pairs, &Reading::default(), &mut |_| {}).unwrap();
    assert_ne!(pair_preference(&behind_bos, 0.95).unwrap().whole.hits, shares[0]);
}
