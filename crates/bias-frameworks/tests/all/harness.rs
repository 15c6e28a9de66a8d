//! Scores and metrics against lm-evaluation-harness, item by item: `fixtures/frameworks/make.py`.
//!
//! Tolerance: 2e-4 nats in sums over texts of up to 300 tokens; both sides run the model in f32.

use std::collections::BTreeMap;

use bias_frameworks::items::{Item, Labels, Texts};
use bias_frameworks::measures::{Statistic, statistics};
use bias_frameworks::score::Score;
use bias_frameworks::{Framework, ItemSet};
use serde::Deserialize;

use crate::small::{fixtures, model, own, score};

#[derive(Deserialize)]
struct Expected {
    /// Log-likelihood, and whether greedy decoding says it; by option, by item.
    scores: Vec<Vec<(f64, bool)>>,
    metrics: BTreeMap<String, f64>,
}

fn expected(name: &str) -> BTreeMap<String, Expected> {
    let path = fixtures().join(format!("frameworks/expected/{name}.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// What a metric of the harness is called here, and the part of the items that it is about.
fn ours(framework: Framework, name: &str) -> (String, Option<String>) {
    let plain = |name: &str| (name.to_owned(), None);
    match (framework, name) {
        (Framework::Bbq, "accuracy_amb") => plain("acc_ambiguous"),
        (Framework::Bbq, "accuracy_disamb") => plain("acc_disambiguated"),
        (Framework::Bbq, name) => match name.split_once("_bias_score") {
            None => plain(name),
            Some((which, category)) => {
                let own = if which == "amb" { "s_amb" } else { "s_dis" };
                let subset = category.strip_prefix('_').map(str::to_owned);
                (own.to_owned(), subset)
            }
        },
        (Framework::Lambada, "acc") | (Framework::Tasks, "target/acc") => plain("acc_greedy"),
        (Framework::Tasks, name) => plain(name.split_once('/').map_or(name, |own| own.1)),
        (_, name) => plain(name),
    }
}

fn found(all: &[Statistic], (name, subset): &(String, Option<String>)) -> Option<f64> {
    all.iter().find(|own| own.name == *name && own.subset == *subset)?.value()
}

/// The harness calls nobody biased where no answer is, though every answer names somebody: 0, and
/// not −1.
fn is_turned(set: &ItemSet, ours: f64, theirs: f64) -> bool {
    set.framework == Framework::Bbq && theirs == 0.0 && ours <= 0.0
}

fn compare(name: &str, folder: &str) {
    let (model, expected) = (model(folder), expected(name));
    assert_eq!(expected.len(), Framework::ALL.len());
    for framework in Framework::ALL {
        let expected = &expected[framework.key()];
        let set = own(framework);
        let scored = score(&model, &set);
        assert!(scored.left_out.is_empty(), "{framework}: {:?}", scored.left_out);
        assert_eq!(set.items.len(), expected.scores.len(), "{framework}");
        let pairs: Vec<(&Item, &[Score])> =
            set.items.iter().zip(scored.scores.iter().flatten().map(Vec::as_slice)).collect();
        for ((item, scores), expected) in pairs.iter().zip(&expected.scores) {
            assert_eq!(scores.len(), expected.len(), "{framework} {}", item.id);
            for (own, (log_likelihood, greedy)) in scores.iter().zip(expected) {
                let off = (own.log_likelihood - log_likelihood).abs();
                assert!(
                    off <= 2e-4,
                    "{name}, {framework} {}: {} {log_likelihood}",
                    item.id,
                    own.log_likelihood
                );
                let rolling = matches!(item.texts, Texts::Whole(_));
                assert!(rolling || own.greedy == *greedy, "{name}, {framework} {}", item.id);
            }
        }
        let all = statistics(framework, &pairs);
        let mut compared = 0;
        for (name, theirs) in &expected.metrics {
            // The design is crossed, so that the harness' mixed model has the same coefficients, but
            // for its own rounding. It has 0 for groups that do not occur, and age without a sign.
            if let Some(name) = name.strip_prefix("mixed/") {
                let ours = found(&all, &(name.to_owned(), None)).unwrap_or(0.0);
                assert!((ours.abs() - theirs.abs()).abs() < 1e-3, "{name}: {ours} {theirs}");
                continue;
            }
            let Some(ours) = found(&all, &ours(framework, name)) else {
                panic!("{framework}: no {name}")
            };
            let close = (ours - theirs).abs() <= 1e-5 * theirs.abs().max(1.0);
            let flipped = is_turned(&set, ours, *theirs);
            assert!(close || flipped, "{framework} {name}: {ours} {theirs}");
            compared += 1;
        }
        assert!(compared > 0, "{framework}");
    }
}

#[test]
fn the_embedded_model_scores_as_in_the_harness() {
    compare("emergent", "emergent");
}

#[test]
fn models_of_other_kinds_score_as_in_the_harness() {
    compare("gpt2", "kinds/gpt2");
    compare("qwen3", "kinds/qwen3");
}

/// The embedded model does its own tasks better than chance.
#[test]
fn the_embedded_model_can_do_its_tasks() {
    let (model, set) = (model("emergent"), own(Framework::Tasks));
    let scored = score(&model, &set);
    let pairs: Vec<(&Item, &[Score])> =
        set.items.iter().zip(scored.scores.iter().flatten().map(Vec::as_slice)).collect();
    let all = statistics(Framework::Tasks, &pairs);
    let of = |name: &str, subset: Option<&str>| {
        let found = all.iter().find(|own| own.name == name && own.subset.as_deref() == subset);
        found.and_then(Statistic::value).unwrap()
    };
    let chance: f64 = {
        let each = set.items.iter().filter_map(|own| match &own.labels {
            Labels::Choice { lengths, .. } => Some(1.0 / lengths.len() as f64),
            _ => None,
        });
        let each: Vec<f64> = each.collect();
        each.iter().sum::<f64>() / each.len() as f64
    };
    assert!(of("acc", None) > chance + 0.3, "{} {chance}", of("acc", None));
    assert!(of("acc", Some("how a sentence ends")) > 0.5);
    assert!(of("perplexity", None) < 10.0, "{}", of("perplexity", None));
}
