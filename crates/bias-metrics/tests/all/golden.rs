//! Effect sizes, quantiles and inlier ratios against numpy, on `fixtures/metrics`.
//!
//! Tolerance: 1e-12 relative; quantiles are values of the input and match exactly.

use std::path::PathBuf;

use bias_metrics::robust::{TukeyFences, inlier_ratio, inlier_share, weighted_quantile, winsorise};
use bias_metrics::{NameAnswers, NameMoments, Weighting, smd};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    weighting: Weighting,
    before: Vec<NameAnswers>,
    after: Vec<NameAnswers>,
    smd: f64,
    /// `(q, value)`.
    quantiles: Vec<(f64, f64)>,
    winsorised: Winsorised,
    /// For each multiplier k.
    fences: Vec<Fences>,
}

#[derive(Deserialize)]
struct Winsorised {
    low: f64,
    high: f64,
    smd: f64,
}

#[derive(Deserialize)]
struct Fences {
    k: f64,
    low: f64,
    high: f64,
    ratio_before: f64,
    ratio_after: f64,
    /// `(inside, total)` of each name after.
    shares_after: Vec<(f64, f64)>,
}

fn cases() -> Vec<Case> {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/metrics/expected.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[track_caller]
fn close(found: f64, expected: f64, what: &str) {
    let error = (found - expected).abs() / expected.abs().max(f64::MIN_POSITIVE);
    assert!(found == expected || error <= 1e-12, "{what}: found {found}, numpy says {expected}");
}

fn effect(answers: &[NameAnswers], weighting: Weighting) -> f64 {
    let moments: Vec<NameMoments> = answers.iter().map(NameAnswers::moments).collect();
    smd(&moments, weighting).unwrap().value().unwrap()
}

#[test]
fn effect_sizes() {
    for case in cases() {
        close(effect(&case.before, case.weighting), case.smd, &case.name);
    }
}

#[test]
fn quantiles_and_winsorising() {
    for mut case in cases() {
        let values: Vec<(f64, f64)> = case.before.iter().flat_map(|n| n.values.clone()).collect();
        for (q, expected) in case.quantiles {
            assert_eq!(weighted_quantile(&values, q).unwrap(), expected, "{} at {q}", case.name);
        }
        winsorise(&mut case.before, case.winsorised.low, case.winsorised.high).unwrap();
        close(effect(&case.before, case.weighting), case.winsorised.smd, &case.name);
    }
}

#[test]
fn fences_and_inlier_ratios() {
    for case in cases() {
        for expected in case.fences {
            let fences = TukeyFences::of(&case.before, expected.k).unwrap();
            close(fences.low, expected.low, &case.name);
            close(fences.high, expected.high, &case.name);
            close(inlier_ratio(&case.before, &fences).unwrap(), expected.ratio_before, &case.name);
            close(inlier_ratio(&case.after, &fences).unwrap(), expected.ratio_after, &case.name);
            for (name, (inside, total)) in case.after.iter().zip(expected.shares_after) {
                let found = inlier_share(name, &fences);
                close(found.0, inside, &case.name);
                close(found.1, total, &case.name);
            }
        }
    }
}
