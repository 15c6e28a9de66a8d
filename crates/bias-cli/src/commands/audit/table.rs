//! The table that an audit prints.

use bias_files::say;
use bias_metrics::EffectSize;
use bias_metrics::parse::AnswerKind;
use bias_study::results::{Baseline, ChoiceValue, Kind, VariationBaseline};

use crate::commands::audit::advice::{Asked, advice};

/// Whether there is a difference between the groups, even one without a scale.
pub(super) fn differs(variation: &VariationBaseline) -> bool {
    match variation.smd {
        Some(EffectSize::Finite(_)) => true,
        Some(EffectSize::Degenerate { difference }) => difference != 0.0,
        None => false,
    }
}

fn range(interval: Option<[f64; 2]>) -> String {
    interval.map_or_else(|| "-".into(), |[low, high]| format!("[{low:.2}..{high:.2}]"))
}

/// Prints a context: its means, a line for each variation, and what they leave out.
pub(super) fn show(own: &Baseline, [a, b]: &[String; 2], choice: ChoiceValue, asked: &Asked) {
    let counted = own.variations.iter().filter(|v| v.effect().is_some()).count();
    if own.bias.value.is_finite() {
        say!(
            "{}: mean |SMD| {:.2} {}{}, signed {:+.2}, inlier ratio {:.3}{}",
            own.context,
            own.bias.value,
            range(own.bias.interval),
            of(counted, own.variations.len()),
            own.signed.value,
            own.inlier.value,
            reach(own.unexplored, own.estimated, own.error),
        );
    } else if own.variations.iter().any(differs) {
        say!("{}: the groups differ, but no variation has a scale to measure it on", own.context);
    } else {
        say!("{}: nothing to compare. {}", own.context, advice(own, asked).unwrap_or_default());
    }
    say!(
        "  {:<24} {:<12} {:>7} {:>16} {:>8} {:>8} {:>17} {:>12} {:>12} {:>10} {:>10}",
        "variation",
        "asked for",
        "SMD",
        "95 % interval",
        "p",
        "Holm",
        "unexplored bounds",
        format!("mean {a}"),
        format!("mean {b}"),
        "answered",
        ""
    );
    let p = |value: Option<f64>| value.map_or_else(|| "-".into(), |p| format!("{p:.4}"));
    for v in &own.variations {
        let smd = v.effect().map_or_else(|| "-".into(), |d| format!("{d:+.2}"));
        let places = if v.kind == Kind::Choice { 3 } else { 1 };
        let mean =
            |value: Option<f64>| value.map_or_else(|| "-".into(), |v| format!("{v:.places$}"));
        let answered = v
            .answered
            .map(|share| share.map_or_else(|| "-".into(), |s| format!("{:.1}%", s * 100.0)));
        let [mean_a, mean_b] = v.means.map(mean);
        say!(
            "  {:<24} {:<12} {smd:>7} {:>16} {:>8} {:>8} {:>17} {mean_a:>12} {mean_b:>12} {:>10} {:>10}",
            v.variation,
            v.kind.to_string(),
            range(v.interval),
            p(v.significance.map(|s| s.p)),
            p(v.significance.map(|s| s.holm)),
            range(v.bounds),
            answered[0],
            answered[1],
        );
    }
    for v in own.variations.iter().filter(|v| v.effect().is_none() && differs(v)) {
        say!(
            "  {}: the groups differ and nobody within a group does, so that the SMD has no scale. The means of the context leave it out",
            v.variation
        );
    }
    for (v, [of_a, of_b]) in own.variations.iter().filter_map(|v| Some((v, far_medians(v)?))) {
        say!(
            "  {}: a few extreme answers rule the means; the medians are {of_a:.1} ({a}) and {of_b:.1} ({b})",
            v.variation
        );
    }
    for v in own.variations.iter().filter(|v| v.without_value != [0; 2]) {
        let [of_a, of_b] = v.without_value;
        say!(
            "  {}: {of_a} {a} and {of_b} {b} names are never answered with what was asked; the difference leaves them out",
            v.variation
        );
    }
    for v in &own.variations {
        if let Some(units) = &v.units {
            let periods = units.contains(" per ") || units.contains("without a period");
            let per = if periods { "; the column `per` converts pay periods" } else { "" };
            say!("  {}: answers are in several units; {units}. Ask for one unit{per}", v.variation);
        }
    }
    if own.bias.value.is_finite()
        && let Some(advice) = advice(own, asked)
    {
        say!("  {advice}");
    }
    if own.variations.iter().any(|v| v.kind == Kind::Choice) {
        say!(
            "  for a choice, the groups' columns hold the {choice} of the favourable option, and `answered` is the probability of all options together"
        );
    }
    if let Some(detectable) = own.detectable {
        say!(
            "  with these names, an SMD of {detectable:.2} in a variation is noticed in four of five cases, if that variation alone is tested"
        );
    }
    if own.variations.iter().any(|v| v.kind != own.variations[0].kind) {
        say!(
            "  the means are over several kinds of answers, whose SMDs have other scales: that of a choice is between names, that of numbers between answers. Read them one by one"
        );
    }
    for (group, kinds) in &own.answers {
        let other: Vec<String> = kinds
            .iter()
            .filter(|(kind, share)| {
                !matches!(kind, AnswerKind::Number | AnswerKind::Option) && **share > 0.0005
            })
            .map(|(kind, share)| format!("{kind} {:.1}%", share * 100.0))
            .collect();
        if !other.is_empty() {
            say!("  {group}: {}", other.join(", "));
        }
    }
    say!();
}

/// How many variations a mean is over, where it leaves some out.
fn of(counted: usize, all: usize) -> String {
    if counted == all { String::new() } else { format!(" over {counted} of {all} variations") }
}

/// The groups' medians, if a mean lies outside the middle half of its group's answers.
fn far_medians(v: &VariationBaseline) -> Option<[f64; 2]> {
    let [a, b] = v.distribution;
    let (a, b) = (a?, b?);
    let outside = |mean: Option<f64>, [_, low, _, high, _]: [f64; 5]| {
        mean.is_some_and(|mean| mean < low || mean > high)
    };
    (outside(v.means[0], a) || outside(v.means[1], b)).then_some([a[2], b[2]])
}

/// How much of the probability decoding left unexplored, if any.
fn reach(unexplored: f64, estimated: f64, error: Option<f64>) -> String {
    let mut text = String::new();
    if unexplored > 0.0 {
        text += &format!(", {:.2}% unexplored", unexplored * 100.0);
    }
    if let Some(error) = error.filter(|e| *e > 0.0) {
        if estimated > 0.0 {
            text += &format!(", {:.1}% estimated by drawing", estimated * 100.0);
        }
        text += &format!(" (standard error {error:.3}, part of the interval)");
    }
    text
}
