//! Several groups of numbers against scipy and statsmodels, on `fixtures/metrics/groups.json`.
//!
//! Tolerances: 1e-9 relative for Cohen's f and for Holm's correction of their p-values; 0.012 for
//! p-values, of which 9,999 draws here and 99,999 there are random.

use std::path::PathBuf;

use bias_metrics::effect::cohens_f;
use bias_metrics::inference::{LabelShuffles, holm};
use bias_metrics::{Arm, NameMoments};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    groups: Vec<Vec<f64>>,
    f: f64,
    pairs: Vec<(usize, usize)>,
    p: Vec<f64>,
    holm: Vec<f64>,
}

#[test]
fn several_groups_differ_as_scipy_says() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/metrics/groups.json");
    let cases: Vec<Case> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let all = case.groups.iter().enumerate();
        let (labels, values): (Vec<Option<usize>>, Vec<f64>) =
            all.flat_map(|(k, own)| own.iter().map(move |value| (Some(k), *value))).unzip();
        let names: Vec<NameMoments> =
            values.iter().map(|value| NameMoments::of(Arm::A, &[(*value, 1.0)])).collect();
        let f = cohens_f(&names, &labels, case.groups.len()).unwrap();
        assert!((f / case.f - 1.0).abs() < 1e-9, "{}: {f} {}", case.name, case.f);
        for ((a, b), expected) in case.pairs.iter().zip(&case.p) {
            let pair = [&case.groups[*a], &case.groups[*b]];
            let values: Vec<f64> = pair.iter().flat_map(|own| own.iter().copied()).collect();
            let labels: Vec<usize> =
                (0..values.len()).map(|i| usize::from(i >= pair[0].len())).collect();
            let apart = |labels: &[usize]| {
                let mean = |k: usize| {
                    let own = values.iter().zip(labels).filter(|own| *own.1 == k);
                    let (sum, n) = own.fold((0.0, 0.0), |(sum, n), (v, _)| (sum + v, n + 1.0));
                    sum / n
                };
                (mean(0) - mean(1)).abs()
            };
            let found = LabelShuffles::new(0).test(&labels, apart).unwrap();
            assert!((found.p - expected).abs() < 0.012, "{}: {} {expected}", case.name, found.p);
        }
        for (found, expected) in holm(&case.p).unwrap().iter().zip(&case.holm) {
            assert!((found - expected).abs() < 1e-12, "{}", case.name);
        }
    }
}
