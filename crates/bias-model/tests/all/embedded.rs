//! The embedded model against transformers (`fixtures/emergent/check.py`).

use std::path::{Path, PathBuf};

use bias_model::generate::DecodeOptions;
use bias_model::{Decoding, HookedModel as _, LanguageModel};
use bias_probe::stats::SquareSums;
use bias_probe::{NoObserver, TokenBatch};
use burn::backend::Flex;
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    message: String,
    name: String,
    rendered: String,
    ids: Vec<u32>,
    logits: Vec<f32>,
    greedy: String,
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

fn folder() -> PathBuf {
    fixture("emergent")
}

fn expected_of(folder: &Path) -> Vec<Case> {
    let text = std::fs::read(folder.join("transformers.json")).unwrap();
    serde_json::from_slice::<Expected>(&text).unwrap().cases
}

fn expected() -> Vec<Case> {
    expected_of(&folder())
}

#[test]
fn text_tokens_logits_and_answers_equal_transformers() {
    for name in ["emergent", "kinds/gpt2", "kinds/qwen3", "kinds/small"] {
        equal_transformers(&fixture(name));
    }
}

fn equal_transformers(folder: &Path) {
    let model = LanguageModel::<Flex>::load(folder, &Default::default()).unwrap();
    for case in expected_of(folder) {
        assert_eq!(model.text().render(&case.message).unwrap(), case.rendered);
        let prompt = model.text().prompt(&case.message, &case.name).unwrap();
        assert_eq!(prompt.tokens(), case.ids);
        let batch = TokenBatch::new(std::slice::from_ref(&prompt)).unwrap();
        let logits = model.model().logits(&batch, &mut NoObserver).unwrap();
        let last: Vec<f32> = logits.narrow(1, prompt.len() - 1, 1).into_data().to_vec().unwrap();
        let worst = last.iter().zip(&case.logits).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst <= 5e-5, "{}, {}: off by {worst}", folder.display(), case.message);
        let greedy = model.answers(&[prompt], Decoding::Greedy).unwrap();
        assert_eq!(greedy[0].answers[0].text, case.greedy);
    }
}

/// The exact distribution is what sampling draws from: means agree within four standard
/// errors, and both account for all of their probability.
#[test]
fn exact_and_sampled_answers_agree() {
    let model = LanguageModel::<Flex>::load(&folder(), &Default::default()).unwrap();
    let case = &expected()[0];
    let prompt = model.text().prompt(&case.message, &case.name).unwrap();
    let mean = |decoding| {
        let answers = model.answers(std::slice::from_ref(&prompt), decoding).unwrap().remove(0);
        let numbers: Vec<(f64, f64)> = answers
            .answers
            .iter()
            .filter_map(|a| Some((a.text.trim().parse().ok()?, a.weight)))
            .collect();
        let mass: f64 = numbers.iter().map(|n| n.1).sum();
        let mean = numbers.iter().map(|(v, w)| v * w).sum::<f64>() / mass;
        let variance = numbers.iter().map(|(v, w)| (v - mean).powi(2) * w).sum::<f64>() / mass;
        let total: f64 = answers.answers.iter().map(|a| a.weight).sum::<f64>() + answers.unexplored;
        (mean, variance, total)
    };
    let samples = 10_000u32;
    let (exact, variance, total) = mean(Decoding::exact());
    assert!((total - 1.0).abs() < 1e-6, "probabilities and what is unexplored sum to {total}");
    let (sampled, _, drawn) = mean(Decoding::Sampled { samples, seed: 3 });
    assert_eq!(drawn, f64::from(samples));
    let error = (variance / f64::from(samples)).sqrt();
    assert!((exact - sampled).abs() < 4.0 * error, "{exact} against {sampled} ± {error}");
}

#[test]
fn answers_do_not_depend_on_batches_or_threads() {
    let model = LanguageModel::<Flex>::load(&folder(), &Default::default()).unwrap();
    let prompts: Vec<_> =
        expected().iter().map(|c| model.text().prompt(&c.message, &c.name).unwrap()).collect();
    let ask = |batch_rows, threads| {
        let options = DecodeOptions { batch_rows, threads, ..model.options().clone() };
        let decoding = Decoding::Sampled { samples: 50, seed: 7 };
        bias_model::generate::decode(model.model(), &prompts, decoding, &options, |t| {
            Ok(model.text().decode(t)?)
        })
        .unwrap()
    };
    let texts = |answers: &[bias_model::Answers]| -> Vec<Vec<(String, u64)>> {
        answers
            .iter()
            .map(|a| a.answers.iter().map(|a| (a.text.clone(), a.weight as u64)).collect())
            .collect()
    };
    assert_eq!(texts(&ask(1, 1)), texts(&ask(3, 2)));
}

#[test]
fn statistics_side_by_side_are_those_in_turn() {
    let model = LanguageModel::<Flex>::load(&folder(), &Default::default()).unwrap();
    let prompts: Vec<_> =
        expected().iter().map(|c| model.text().prompt(&c.message, &c.name).unwrap()).collect();
    let batches: Vec<_> = prompts.chunks(2).map(|own| TokenBatch::new(own).unwrap()).collect();
    let sums = SquareSums::linear_inputs(model.model().dims());
    let side_by_side = |threads| sums.side_by_side(model.model(), &batches, threads).unwrap();
    let mut in_turn = sums.clone();
    batches.iter().for_each(|batch| drop(model.model().hidden(batch, &mut in_turn).unwrap()));
    let in_turn = in_turn.finish().unwrap();
    assert_eq!(side_by_side(2), side_by_side(1));
    assert_eq!(side_by_side(3).sequences(), in_turn.sequences());
    for site in in_turn.sites() {
        let both =
            in_turn.norms(site).unwrap().into_iter().zip(side_by_side(2).norms(site).unwrap());
        assert!(both.into_iter().all(|(a, b)| (a - b).abs() <= 1e-6 * a.abs()));
    }
}
