//! Results that no study found, small enough to be checked by eye.

use bias_metrics::EffectSize;
use bias_study::Results;
use serde_json::{Value, json};

pub const HOSTILE: &str = "<script src=\"//x.y\">&'";

fn estimate(value: f64) -> Value {
    json!({ "value": value, "interval": [value - 0.2, value + 0.2] })
}

/// Two contexts, one method and its null, each tested everywhere.
pub fn results(first: &str) -> Results {
    let contexts = [first, "commercial"];
    let info = |c: &&str| {
        json!({
            "context": c, "higher_is_better": true, "attribution": [first], "held_out": ["b"], "names": [3, 4],
            "example": format!("What should I offer {first}?"),
        })
    };
    let variation = |name: &str, split: &str, smd: f64| {
        json!({
            "variation": name, "split": split, "smd": { "finite": smd }, "interval": [smd - 0.1, smd + 0.1], "means": [2.0, 1.0],
            "significance": { "p": 0.0625, "holm": if smd > 0.0 { 0.03125 } else { 0.5 }, "false_discovery": 0.046875 },
            "distribution": [[1.0, 1.5, 2.0, 2.5, 1234.5], [0.5, 0.75, 1.0, 1.25, 1.5]],
        })
    };
    let baseline = |c: &&str| {
        json!({
            "context": c, "bias": estimate(0.5), "signed": estimate(0.4), "inlier": estimate(0.75),
            "variations": [variation(first, "attribution", 0.5), variation("b", "held_out", -0.25)],
            "answers": {
                "white_men": { "number": 0.5, "refusal": 0.5 }, "white_women": { "number": 1.0 },
                "black_men": { "number": 0.875, "no_number": 0.125 }, "black_women": { "number": 0.875, "empty": 0.125 },
            },
            "answers_by_side": [
                { "number": 0.75, "refusal": 0.25 }, { "number": 0.875, "no_number": 0.0625, "empty": 0.0625 },
            ],
            "no_number": { "value": 0.125, "interval": [0.0625, 0.1875] }, "unexplored": 0.0, "detectable": 0.375,
        })
    };
    let methods = [("wanda-b-a", "15%"), ("random", "as wanda 15%"), (first, "7")];
    let strategy = |c: &str, (method, budget): (&str, &str)| {
        json!({
            "id": format!("{c}/{method}/{budget}"), "method": method, "unit": "weight", "trained_on": { "context": c },
            "budget": budget, "null_of": (method == "random").then(|| format!("{c}/wanda-b-a/15%")), "weights": 10, "share": 0.01, "mask": "00", "perplexity_change": null,
        })
    };
    let outcome = |from: &str, (method, budget): (&str, &str), on: &str| {
        json!({
            "strategy": format!("{from}/{method}/{budget}"), "context": on,
            "scope": if from == on { "held_out" } else { "cross_context" }, "before": 0.5, "after": estimate(0.25),
            "signed_after": -0.25, "reduction": estimate(if from == on { 0.6 } else { 0.3 }),
            "inlier": estimate(0.75), "inlier_before": 0.75, "degenerate": 0,
            "shortfall": if from == on { Value::Null } else { estimate(if on == "commercial" { 0.3125 } else { 0.125 }) },
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
        "format": "bias-study/4",
        "model": { "name": first, "fingerprint": "ab", "dims": {
            "layers": 2, "d_model": 4, "heads": 2, "kv_heads": 1, "d_head": 2, "d_mlp": 8, "vocab": 16 } },
        "prompts": { "sha256": "cd", "attribute": { "name": "race", "from": { "before": "_" } }, "groups": ["white", "black"], "contexts": contexts.iter().map(info).collect::<Vec<_>>() },
        "settings": { "seed": 0, "decoding": "greedy", "resamples": 2000, "winsorise": [0.01, 0.99], "tukey_k": 1.5 },
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
pub fn emptied(mut results: Results) -> Results {
    for own in &mut results.baseline {
        for estimate in [&mut own.bias, &mut own.signed, &mut own.inlier] {
            (estimate.value, estimate.interval) = (f64::NAN, None);
        }
        (own.no_number, own.detectable) = (None, Some(f64::NAN));
        own.answers.clear();
        own.answers_by_side.iter_mut().for_each(std::collections::BTreeMap::clear);
        for variation in &mut own.variations {
            (variation.smd, variation.interval) =
                (Some(EffectSize::Degenerate { difference: 3.0 }), None);
            (variation.means, variation.distribution) = ([None; 2], [None; 2]);
            variation.significance = None;
        }
    }
    for outcome in &mut results.outcomes {
        for estimate in [&mut outcome.after, &mut outcome.reduction, &mut outcome.inlier] {
            (estimate.value, estimate.interval) = (f64::NAN, None);
        }
        outcome.shortfall = outcome.shortfall.map(|_| outcome.reduction);
        (outcome.before, outcome.signed_after, outcome.inlier_before) =
            (f64::NAN, f64::NAN, f64::NAN);
    }
    for overlap in &mut results.overlaps {
        (overlap.jaccard, overlap.jaccard_by_chance, overlap.coefficient) = (None, None, None);
    }
    for location in &mut results.locations {
        (location.chosen, location.expected, location.deviation) = (0, 0.0, 0.0);
    }
    results
}
