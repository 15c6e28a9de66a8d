//! A decoder that goes on behind its cache answers as any model does that runs everything anew.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bias_ask::generate::{
    Asking, Continuation, DecodeOptions, Sampling, ask_uncached, log_likelihoods_uncached,
};
use bias_ask::question::{NumberGrammar, QuestionKind, Word};
use bias_ask::testing::{AnsweringViolation, check_answering};
use bias_ask::{Answering, Answers, AskError, Decoding, Question};
use bias_model::{Checkpoint, Decoder, HookedModel, ModelConfig, ModelError, Precision, TextCodec};
use bias_probe::{Observer, ProbeError, Sequence, TokenBatch, Weights};
use bias_types::{ModelDims, ParamPath, TokenRole};
use burn::backend::Flex;
use burn::tensor::Tensor;

/// Plain, windowed, learned positions, frequencies that depend on length.
const CASES: [&str; 4] = ["llama3_rope", "gemma3_linear", "gpt2_hub", "phi3_partial_longrope"];

fn load(case: &str, precision: Precision) -> Decoder<Flex> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden").join(case);
    let config = ModelConfig::from_folder(&folder).unwrap();
    Decoder::load(&Checkpoint::open(&folder).unwrap(), config, precision, &Default::default())
        .unwrap()
}

/// A model that knows no more than it must.
struct Plain(Decoder<Flex>);

/// What a model that holds ours hands on to it.
macro_rules! hands_on {
    ($model:ty) => {
        impl Weights<Flex> for $model {
            fn weight(&self, path: &ParamPath) -> Result<Tensor<Flex, 2>, ProbeError> {
                Weights::weight(&self.0, path)
            }
        }

        impl HookedModel<Flex> for $model {
            fn dims(&self) -> &ModelDims {
                self.0.dims()
            }
            fn device(&self) -> burn::backend::flex::FlexDevice {
                self.0.device()
            }
            fn hidden(
                &self,
                batch: &TokenBatch,
                observer: &mut dyn Observer<Flex>,
            ) -> Result<Tensor<Flex, 3>, ProbeError> {
                self.0.hidden(batch, observer)
            }
            fn unembed(&self, hidden: Tensor<Flex, 3>) -> Result<Tensor<Flex, 3>, ProbeError> {
                self.0.unembed(hidden)
            }
        }
    };
}

hands_on!(Plain);
hands_on!(Broken);

impl Answering<Flex> for Plain {}

fn chain(tokens: &[u32]) -> Sequence {
    Sequence::chain(tokens.to_vec(), vec![TokenRole::Prompt; tokens.len()]).unwrap()
}

/// Free, by number and by choice; prompts begin alike and differ in length.
fn questions() -> Vec<Question> {
    let digits = (0..10)
        .map(|digit| (digit + 20, digit.to_string()))
        .chain([(30, ",".into()), (31, ".".into())]);
    let numbers = Arc::new(NumberGrammar::of_tokens(digits.collect()).unwrap());
    let word = |option, tokens: &[u32]| Word {
        option,
        text: format!("{tokens:?}"),
        tokens: tokens.into(),
    };
    let words: Arc<[Word]> = [word(0, &[40]), word(0, &[41, 42]), word(1, &[41, 43, 8])].into();
    let endings: [&[u32]; 5] = [&[17, 8], &[3], &[60, 33, 12, 7, 7, 9], &[17, 9], &[21, 50, 4]];
    let kinds = [QuestionKind::Free, QuestionKind::Number(numbers), QuestionKind::Choice(words)];
    let of = |kind: &QuestionKind| {
        let own = endings.iter().map(|end| [&[1, 5, 9, 2, 30, 11, 12], *end].concat());
        own.zip(0u64..)
            .map(|(prompt, stream)| Question { prompt: chain(&prompt), kind: kind.clone(), stream })
            .collect::<Vec<_>>()
    };
    kinds.iter().flat_map(of).collect()
}

fn weights(answers: &Answers) -> BTreeMap<&[u32], f64> {
    answers.answers.iter().map(|own| (&own.tokens[..], own.weight)).collect()
}

#[test]
fn the_cache_changes_nothing() {
    let mut worst = 0f64;
    for case in CASES {
        let model = load(case, Precision::F32);
        let sampling = Sampling::default().with_temperature(0.5).unwrap();
        for decoding in [
            Decoding::Greedy,
            Decoding::Sampled { samples: 30, seed: 3 },
            Decoding::Exact { unexplored: 0.05, tokens: usize::MAX, seed: 0 },
        ] {
            // Everything that may be said is too much where hardly anything is left out.
            let max_new_tokens = if matches!(decoding, Decoding::Exact { .. }) { 2 } else { 5 };
            let options = DecodeOptions {
                sampling: sampling.clone(),
                stop: vec![2],
                max_new_tokens,
                batch_rows: 3,
                threads: 2,
            };
            let (questions, text) = (questions(), |tokens: &[u32]| Ok(format!("{tokens:?}")));
            let asking = Asking::new(decoding, &options, &text);
            let cached = model.ask(&questions, &asking).unwrap();
            let anew = ask_uncached(&model, &questions, &asking).unwrap();
            for (i, (cached, anew)) in cached.iter().zip(&anew).enumerate() {
                let (own, other) = (weights(cached), weights(anew));
                assert!(own.keys().eq(other.keys()), "{case} {decoding:?}, question {i}");
                for (tokens, weight) in own {
                    worst = worst.max((weight - other[tokens]).abs());
                }
                assert_eq!(cached.tokens, anew.tokens, "{case} {decoding:?}, question {i}");
                let finished =
                    |own: &Answers| own.answers.iter().filter(|own| own.finished).count();
                assert_eq!(finished(cached), finished(anew));
            }
        }
    }
    println!("off by {worst:.1e} at most");
    assert!(worst < 1e-6, "off by {worst}");
}

#[test]
fn ours_and_a_plain_model_answer_as_their_logits_say() {
    // All but the one whose frequencies depend on how long a text is: its choices do too.
    for case in &CASES[..3] {
        check_answering(&load(case, Precision::F32), 1e-6)
            .unwrap_or_else(|e| panic!("{case}: {e}"));
        check_answering(&Plain(load(case, Precision::F32)), 1e-6)
            .unwrap_or_else(|e| panic!("{case}: {e}"));
    }
    check_answering(&load("gpt2_hub", Precision::Mapped), 1e-6).unwrap();
}

/// Answers with a fault.
struct Broken(Decoder<Flex>, fn(&mut Vec<Answers>));

impl Answering<Flex> for Broken {
    fn ask(&self, questions: &[Question], asking: &Asking<'_>) -> Result<Vec<Answers>, AskError> {
        let mut answers = self.0.ask(questions, asking)?;
        (self.1)(&mut answers);
        Ok(answers)
    }
}

#[test]
fn a_model_that_answers_otherwise_is_caught() {
    let faults: [fn(&mut Vec<Answers>); 4] = [
        |all| drop(all.pop()),
        |all| all.reverse(),
        |all| all.iter_mut().for_each(|own| own.answers.iter_mut().for_each(|a| a.weight *= 0.99)),
        |all| all.iter_mut().for_each(|own| own.answers.truncate(1)),
    ];
    for (i, fault) in faults.into_iter().enumerate() {
        let broken = check_answering(&Broken(load("gpt2_hub", Precision::F32), fault), 1e-6);
        assert!(matches!(broken, Err(AnsweringViolation::Claim { .. })), "fault {i}");
    }
}

/// Longer than a piece, with a common beginning that is too short a part of them for one tree.
#[test]
fn long_texts_run_in_pieces_behind_their_beginning() {
    let embedded = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/emergent");
    let folder = tempfile::tempdir().unwrap();
    for name in ["model.safetensors", "tokenizer.json", "generation_config.json"] {
        std::fs::copy(embedded.join(name), folder.path().join(name)).unwrap();
    }
    let config = std::fs::read_to_string(embedded.join("config.json")).unwrap();
    let wider =
        config.replace("\"max_position_embeddings\": 128", "\"max_position_embeddings\": 2048");
    assert_ne!(config, wider);
    std::fs::write(folder.path().join("config.json"), wider).unwrap();
    let config = ModelConfig::from_folder(folder.path()).unwrap();
    let files = Checkpoint::open(folder.path()).unwrap();
    let model: Decoder<Flex> =
        Decoder::load(&files, config, Precision::F32, &Default::default()).unwrap();

    let text = |length: u32, own: u32| -> Vec<u32> {
        let alike = (0..40).map(|i| 10 + i * 13 % 600);
        alike.chain((40..length).map(|i| 10 + i * (17 + own) % 600)).collect()
    };
    let texts = [text(1300, 0), text(1200, 2), text(600, 4), text(150, 6)];
    let wanted: Vec<Continuation> =
        texts.iter().map(|own| Continuation::new(&own[..50], &own[50..]).unwrap()).collect();
    let options = DecodeOptions {
        sampling: Sampling::default(),
        stop: vec![2],
        max_new_tokens: 1,
        batch_rows: 32,
        threads: 2,
    };
    let cached = model.log_likelihoods(&wanted, &options, &|_| {}).unwrap();
    let anew = log_likelihoods_uncached(&model, &wanted, &options, &|_| {}).unwrap();
    for ((cached, anew), own) in cached.iter().zip(&anew).zip(&wanted) {
        assert_eq!(cached.log_probs.len(), own.wanted().len());
        assert_eq!(cached.greedy, anew.greedy);
        let pairs = cached.log_probs.iter().zip(&anew.log_probs);
        let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-4, "off by {worst}");
    }
}

/// What went through a trait of `bias-ask` comes back as the error that it was.
#[test]
fn errors_survive_the_traits() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/emergent");
    let text = TextCodec::from_folder(&folder).unwrap();
    let error = ModelError::from(AskError::from(ModelError::NoHubCache));
    assert!(matches!(error, ModelError::NoHubCache));
    let error = text.prompt("What should I offer?", "Emily Becker").unwrap_err();
    assert!(matches!(error, ModelError::Ask(AskError::NameNotInPrompt { .. })), "{error}");
}
