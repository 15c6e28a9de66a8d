//! Page and tables: nothing from a file runs or is fetched, and no number is made up.

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy.toml does not see

use bias_metrics::EffectSize;
use bias_study::{Results, report, tables};
use serde_json::{Value, json};

const HOSTILE: &str = "<script src=\"//x.y\">&'";

fn estimate(value: f64) -> Value {
    json!({ "value": value, "interval": [value - 0.2, value + 0.2] })
}

/// Two contexts, one method and its null, each tested everywhere.
fn results(first: &str) -> Results {
    let contexts = [first, "commercial"];
    let info = |c: &&str| {
        json!({
            "context": c, "higher_is_better": true, "attribution": [first], "held_out": ["b"], "names": [3, 4],
            "example": format!("What should I offer {first}?"),
        })
    };
    let variation = |name: &str, split: &str, smd: f64| json!({ "variation": name, "split": split, "smd": { "finite": smd }, "interval": [smd - 0.1, smd + 0.1], "means": [2.0, 1.0] });
    let baseline = |c: &&str| {
        json!({
            "context": c, "bias": estimate(0.5), "signed": estimate(0.4), "inlier": estimate(0.75),
            "variations": [variation(first, "attribution", 0.5), variation("b", "held_out", -0.25)],
            "answers": { "white_men": { "number": 1.0 } }, "unexplored": 0.0,
        })
    };
    let methods = [("wanda-b-a", "15%"), ("random", "as wanda 15%"), (first, "7")];
    let strategy = |c: &str, (method, budget): (&str, &str)| {
        json!({
            "id": format!("{c}/{method}/{budget}"), "method": method, "unit": "weight", "trained_on": { "context": c },
            "budget": budget, "weights": 10, "share": 0.01, "mask": "00", "perplexity_change": null,
        })
    };
    let outcome = |from: &str, (method, budget): (&str, &str), on: &str| {
        json!({
            "strategy": format!("{from}/{method}/{budget}"), "context": on,
            "scope": if from == on { "held_out" } else { "cross_context" }, "before": 0.5, "after": estimate(0.25),
            "signed_after": -0.25, "reduction": estimate(if from == on { 0.6 } else { 0.3 }),
            "inlier": estimate(0.75), "inlier_before": 0.75, "degenerate": 0,
        })
    };
    let made = contexts.iter().flat_map(|c| methods.map(|m| (*c, m)));
    let overlap = |(method, budget): (&str, &str)| {
        json!({
            "method": method, "budget": budget, "contexts": contexts, "jaccard": 0.25, "jaccard_by_chance": 0.015625,
            "coefficient": 0.25, "coefficient_by_chance": null,
        })
    };
    let results = json!({
        "format": "bias-study/2",
        "model": { "name": first, "fingerprint": "ab", "dims": {
            "layers": 2, "d_model": 4, "heads": 2, "kv_heads": 1, "d_head": 2, "d_mlp": 8, "vocab": 16 } },
        "prompts": { "sha256": "cd", "races": ["white", "black"], "contexts": contexts.iter().map(info).collect::<Vec<_>>() },
        "settings": { "seed": 0, "decoding": "greedy", "resamples": 2000, "winsorise": [0.01, 0.99], "tukey_k": 1.5, "quick": true },
        "focus": contexts,
        "experiments": ["transfer"],
        "baseline": contexts.iter().map(baseline).collect::<Vec<_>>(),
        "neutral_perplexity": null,
        "strategies": made.clone().map(|(c, m)| strategy(c, m)).collect::<Vec<_>>(),
        "outcomes": made.flat_map(|(c, m)| contexts.map(|on| outcome(c, m, on))).collect::<Vec<_>>(),
        "overlaps": methods.map(overlap),
        "locations": [
            { "strategy": format!("{first}/wanda-b-a/15%"), "layer": 1, "sublayer": "mlp", "chosen": 8, "expected": 4.0, "deviation": 1.0 },
        ],
    });
    serde_json::from_value(results).unwrap()
}

/// Leaves no number and no list standing.
fn emptied(mut results: Results) -> Results {
    for own in &mut results.baseline {
        for estimate in [&mut own.bias, &mut own.signed, &mut own.inlier] {
            (estimate.value, estimate.interval) = (f64::NAN, None);
        }
        for variation in &mut own.variations {
            (variation.smd, variation.interval) = (Some(EffectSize::Degenerate { difference: 3.0 }), None);
            variation.means = [None; 2];
        }
    }
    for outcome in &mut results.outcomes {
        for estimate in [&mut outcome.after, &mut outcome.reduction, &mut outcome.inlier] {
            (estimate.value, estimate.interval) = (f64::NAN, None);
        }
        (outcome.before, outcome.signed_after, outcome.inlier_before) = (f64::NAN, f64::NAN, f64::NAN);
    }
    for overlap in &mut results.overlaps {
        (overlap.jaccard, overlap.jaccard_by_chance, overlap.coefficient) = (None, None, None);
    }
    for location in &mut results.locations {
        (location.chosen, location.expected, location.deviation) = (0, 0.0, 0.0);
    }
    results
}

#[test]
fn hostile_labels_stay_text() {
    let page = report(&results(HOSTILE)).unwrap();
    assert!(!page.contains("<script"));
    assert!(page.contains("&lt;script src="));
}

#[test]
fn page_needs_nothing_else() {
    let page = report(&results("financial")).unwrap();
    for outside in ["<script", "http", "<link", "<img", "@import", "url(", "<iframe", " on"] {
        let found =
            page.match_indices(outside).filter(|(at, _)| outside != " on" || handler(&page[*at + 3..]));
        assert_eq!(found.count(), 0, "{outside}");
    }
}

/// Whether ` on…` begins an event handler.
fn handler(rest: &str) -> bool {
    rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).starts_with('=')
}

#[test]
fn both_name_the_three_experiments_with_their_numbers() {
    let results = results("financial");
    for text in [tables(&results), report(&results).unwrap()] {
        for headline in [
            "Experiment 1: baseline across financial and commercial",
            "Experiment 2: financial attribution tested on commercial",
            "Experiment 3: overlap between contexts",
            "in financial bias is 0.50 [0.30..0.70]",
            "answers favour white names (+0.40 [+0.20..+0.60] signed)",
            "the reduction of bias is 60% [40..80] in financial and 30% [10..50] in commercial",
            "As many random weights: 60% and 30%",
            "share 25% by Wanda set difference, black not white, 15% (1.6% by chance)",
        ] {
            assert!(text.contains(headline), "{headline}\n{text}");
        }
    }
}

#[test]
fn no_number_is_a_dash() {
    let results = emptied(results("financial"));
    let page = report(&results).unwrap();
    let (_, body) = page.split_once("</style>").unwrap();
    for text in [tables(&results), body.into()] {
        assert!(text.contains('–'));
        for made_up in ["NaN", "nan%", "inf", "none", "null,"] {
            let found = text.match_indices(made_up).filter(|(at, _)| !word_goes_on(&text, *at, made_up));
            assert_eq!(found.count(), 0, "{made_up}\n{text}");
        }
    }
}

fn word_goes_on(text: &str, at: usize, word: &str) -> bool {
    let letter = |c: Option<char>| c.is_some_and(char::is_alphabetic);
    let (before, after) = (text[..at].chars().next_back(), text[at + word.len()..].chars().next());
    // SVG has `none` too.
    letter(before) || letter(after) || after == Some('"')
}

#[test]
fn nothing_found_is_still_a_page() {
    let mut results = results("financial");
    results.baseline.clear();
    results.strategies.clear();
    results.outcomes.clear();
    results.overlaps.clear();
    results.locations.clear();
    assert!(tables(&results).contains("No baseline was measured."));
    assert!(report(&results).unwrap().contains("No two masks could be compared."));
}

#[test]
fn labels_cannot_steer_the_terminal() {
    let mut results = results("financial");
    results.model.name = "\u{1b}[2Jx".into();
    assert!(!tables(&results).contains('\u{1b}'));
}
