//! Tests, corrections, intervals and power against scipy and statsmodels, on
//! `fixtures/metrics/statistics.json`.
//!
//! Tolerances: 1e-9 relative for what is computed in closed form or by quadrature on both sides;
//! the ends of bootstrap intervals come from other draws (100,000 there, 20,000 here) and agree to
//! 3 % of the interval's width, a fifth of what lies between percentile and BCa in the skewed case.

use std::path::PathBuf;

use bias_metrics::effect::hedges_g;
use bias_metrics::inference::{
    Clustering, Design, Ends, Proportion, benjamini_hochberg, holm, mann_whitney, welch,
};
use bias_metrics::{Arm, Bootstrap, MetricError, Permutation};
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    cases: Vec<Case>,
    p: Vec<f64>,
    holm: Vec<f64>,
    bh: Vec<f64>,
    /// Hits, cases, level, low, high.
    wilson: Vec<(u64, u64, f64, f64, f64)>,
    power: Vec<Power>,
    needed: Vec<Needed>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    a: Vec<f64>,
    b: Vec<f64>,
    /// t, degrees of freedom, p.
    welch: [f64; 3],
    /// U, p.
    mann_whitney: [f64; 2],
    /// g, error, low, high.
    hedges: [f64; 4],
    permutation: Option<f64>,
    bootstrap: Option<Ended>,
}

#[derive(Deserialize)]
struct Ended {
    percentile: [f64; 2],
    bca: [f64; 2],
}

#[derive(Deserialize)]
struct Power {
    names: [usize; 2],
    alpha: f64,
    effect: f64,
    power: f64,
    /// With power 0.8.
    detectable: f64,
}

#[derive(Deserialize)]
struct Needed {
    effect: f64,
    alpha: f64,
    power: f64,
    names: usize,
}

fn expected() -> Expected {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/metrics/statistics.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[track_caller]
fn close(found: f64, expected: f64, what: &str) {
    let error = (found - expected).abs() / expected.abs().max(1e-3);
    assert!(error <= 1e-9, "{what}: found {found}, expected {expected}");
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// mean_A − mean_B of the names picked.
fn difference(all: &[f64], arm: impl Fn(usize) -> Arm, picks: &[usize]) -> f64 {
    let of = |side| picks.iter().filter(|i| arm(**i) == side).map(|i| all[*i]).collect::<Vec<_>>();
    mean(&of(Arm::A)) - mean(&of(Arm::B))
}

#[test]
fn tests_agree_with_scipy() {
    for case in expected().cases {
        let Case { name, a, b, .. } = &case;
        let found = welch(a, b).unwrap();
        for (found, expected) in [found.t, found.degrees, found.p].into_iter().zip(case.welch) {
            close(found, expected, &format!("{name}, Welch"));
        }
        let found = mann_whitney(a, b).unwrap();
        close(found.u, case.mann_whitney[0], name);
        close(found.p, case.mann_whitney[1], &format!("{name}, Mann–Whitney"));
        let found = hedges_g(a, b, 0.95).unwrap();
        for (found, expected) in
            [found.g, found.error, found.low, found.high].into_iter().zip(case.hedges)
        {
            close(found, expected, &format!("{name}, Hedges"));
        }
        let all: Vec<f64> = a.iter().chain(b).copied().collect();
        let arms: Vec<Arm> =
            (0..all.len()).map(|i| if i < a.len() { Arm::A } else { Arm::B }).collect();
        let everybody: Vec<usize> = (0..all.len()).collect();
        let statistic = |arms: &[Arm]| Ok(Some(difference(&all, |i| arms[i], &everybody)));
        let found = Permutation::new(0).test(&arms, statistic).unwrap();
        assert_eq!(found.exact, case.permutation.is_some(), "{name}");
        match case.permutation {
            Some(p) => close(found.p, p, &format!("{name}, permutation")),
            // Labels drawn: near the t test's.
            None => assert!((found.p - case.welch[2]).abs() < 0.05, "{name}: {found:?}"),
        }
        if let Some(expected) = &case.bootstrap {
            for (ends, expected) in
                [(Ends::Percentile, expected.percentile), (Ends::Bca, expected.bca)]
            {
                let bootstrap =
                    Bootstrap::new(1).resamples(20_000).unwrap().ends(ends).widened(false);
                let statistic = |picks: &[usize]| Ok(Some(difference(&all, |i| arms[i], picks)));
                let found = bootstrap.interval(&arms, statistic).unwrap();
                let width = expected[1] - expected[0];
                for (found, expected) in [found.low, found.high].into_iter().zip(expected) {
                    assert!(
                        (found - expected).abs() < 0.03 * width,
                        "{name} {ends:?}: {found} {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn corrections_and_power_agree_with_statsmodels() {
    let expected = expected();
    let pairs =
        [(holm(&expected.p), &expected.holm), (benjamini_hochberg(&expected.p), &expected.bh)];
    for (found, expected) in pairs {
        for (found, expected) in found.unwrap().into_iter().zip(expected) {
            close(found, *expected, "corrected p");
        }
    }
    for (hits, cases, level, low, high) in expected.wilson {
        let found = Proportion::wilson(hits, cases, level).unwrap();
        // Ends that are 0 or 1 are rounding errors there.
        assert!((found.low - low).abs() < 1e-9 && (found.high - high).abs() < 1e-9, "{found:?}");
    }
    for own in expected.power {
        let design = Design { names: own.names, alpha: own.alpha };
        close(design.power(own.effect).unwrap(), own.power, "power");
        let found = design.minimum_detectable(0.8).unwrap();
        // statsmodels stops looking at about 1e-6.
        assert!(
            (found - own.detectable).abs() < 1e-5 * own.detectable,
            "{found} {}",
            own.detectable
        );
        close(design.power(found).unwrap(), 0.8, "power of what is detectable");
    }
    for own in expected.needed {
        assert_eq!(Design::names_needed(own.effect, own.alpha, own.power).unwrap(), own.names);
    }
}

#[test]
fn a_difference_of_answers_is_more_among_names() {
    // Exact distributions leave only names to vary; one answer of each leaves everything.
    let exact = Clustering { between: 0.25, answers: f64::INFINITY };
    assert_eq!(exact.among_names(0.5).unwrap(), 1.0);
    assert_eq!(Clustering { between: 0.25, answers: 1.0 }.among_names(0.5).unwrap(), 0.5);
    for (between, answers) in
        [(-0.1, 5.0), (1.1, 5.0), (0.5, 0.0), (0.0, f64::INFINITY), (f64::NAN, 1.0)]
    {
        let odd = Clustering { between, answers }.among_names(1.0);
        assert!(matches!(odd, Err(MetricError::BadDesign { .. })), "{between} {answers}");
    }
}

#[test]
fn odd_input_has_a_name() {
    let some = [1.0, 2.0, 4.0];
    assert!(matches!(
        welch(&some, &[1.0]),
        Err(MetricError::TooFewNames { arm: Arm::B, names: 1, least: 2 })
    ));
    assert!(matches!(
        hedges_g(&[], &some, 0.95),
        Err(MetricError::TooFewNames { arm: Arm::A, .. })
    ));
    assert!(matches!(mann_whitney(&some, &[]), Err(MetricError::TooFewNames { arm: Arm::B, .. })));
    assert!(matches!(welch(&[3.0; 4], &[3.0; 2]), Err(MetricError::Constant { .. })));
    assert!(matches!(hedges_g(&[3.0; 4], &[5.0; 2], 0.95), Err(MetricError::Constant { .. })));
    assert!(matches!(mann_whitney(&[3.0; 9], &[3.0; 9]), Err(MetricError::Constant { .. })));
    for odd in [f64::NAN, f64::INFINITY] {
        assert!(matches!(welch(&some, &[1.0, odd]), Err(MetricError::NotFinite { .. })));
        assert!(matches!(mann_whitney(&[odd], &some), Err(MetricError::NotFinite { .. })));
    }
    assert!(matches!(holm(&[0.5, -0.1]), Err(MetricError::BadProbability { .. })));
    assert!(matches!(benjamini_hochberg(&[f64::NAN]), Err(MetricError::BadProbability { .. })));
    assert!(holm(&[]).unwrap().is_empty());
    assert!(matches!(
        hedges_g(&[1e200, 2e200], &[5e200, 7e200], 0.95),
        Err(MetricError::NotFinite { .. })
    ));
    // By statsmodels, between the last power of two and a million.
    assert_eq!(Design::names_needed(0.005, 0.05, 0.8).unwrap(), 627_910);
    // At a small level and few names t is large: 0.8 of power needs what scipy's noncentral t says.
    let tiny = Design { names: [2, 2], alpha: 1e-5 };
    assert!((tiny.power(0.0).unwrap() - 1e-5).abs() < 1e-12);
    assert!(Design { names: [5, 5], alpha: 0.05 }.minimum_detectable(0.999_999_999_9).is_err());
    let many: Vec<f64> = (0..10_000).map(f64::from).collect();
    assert!(!mann_whitney(&some, &many).unwrap().exact);
    // The level for 5 and 7 names, by scipy: the tail of a normal at √(5/4) times Student's t.
    let spread: Vec<f64> = (0..12).map(f64::from).collect();
    let sides: Vec<Arm> = (0..12).map(|i| if i < 5 { Arm::A } else { Arm::B }).collect();
    let ends = |level: f64, widened| {
        let own = Bootstrap::new(3).level(level).unwrap().widened(widened);
        own.interval(&sides, |picks| Ok(Some(difference(&spread, |i| sides[i], picks)))).unwrap()
    };
    let (wide, same) = (ends(0.95, true), ends(1.0 - 2.0 * 0.006_366_786_899_421_169, false));
    assert!(
        (wide.low - same.low).abs() < 1e-9 && (wide.high - same.high).abs() < 1e-9,
        "{wide:?} {same:?}"
    );
    let design = Design { names: [1, 5], alpha: 0.05 };
    assert!(matches!(design.power(1.0), Err(MetricError::BadDesign { .. })));
    assert!(Design { names: [5, 5], alpha: 0.0 }.power(1.0).is_err());
    assert!(Design { names: [5, 5], alpha: 0.05 }.minimum_detectable(0.01).is_err());
    assert!(
        Design::names_needed(0.0, 0.05, 0.8).is_err()
            && Design::names_needed(1e-9, 0.05, 0.8).is_err()
    );
    assert!(matches!(Proportion::wilson(0, 0, 0.95), Err(MetricError::NoValues { .. })));
    assert!(matches!(Proportion::wilson(3, 2, 0.95), Err(MetricError::BadProbability { .. })));
    assert!(matches!(Proportion::wilson(1, 2, 95.0), Err(MetricError::BadLevel { .. })));
    let arms = [Arm::A, Arm::A, Arm::B];
    let test = |statistic: fn(&[Arm]) -> Option<f64>| {
        Permutation::new(0).test(&arms, |arms| Ok(statistic(arms)))
    };
    assert!(matches!(test(|_| None), Err(MetricError::NotFinite { .. })));
    assert!(matches!(
        test(|arms| (arms[0] == Arm::A && arms[1] == Arm::A).then_some(1.0)),
        Err(MetricError::Unstable { dropped: 2, resamples: 3 })
    ));
    assert_eq!(test(|_| Some(1.0)).unwrap().p, 1.0);
    // Only the observed labelling is as far, or it and its mirror image.
    assert_eq!(test(|arms| Some(f64::from(u8::from(arms[2] == Arm::B)))).unwrap().p, 1.0 / 3.0);
    let least = |names| Permutation::new(0).smallest_p(names);
    assert_eq!([least([2, 1]), least([2, 2]), least([4, 4])], [1.0 / 3.0, 2.0 / 6.0, 2.0 / 70.0]);
    assert_eq!([least([0, 3]), least([1, 1]), least([20, 20])], [1.0, 1.0, 1e-4]);
    assert!(Permutation::new(0).test(&[Arm::A], |_| Ok(Some(1.0))).is_err());
}
