//! The results of a study as tables for a terminal.

use bias_types::model::Sublayer;
use bias_types::prompt::Context;
use comfy_table::{Cell, CellAlignment, Table};

use super::findings::{Family, Findings, largest_differences};
use super::numbers::{
    DASH, estimate, fixed, percent, percent_estimate, probability, share, signed, signed_estimate,
};
use super::questions::questions;
use super::words::{asked_for, short, sublayer};
use crate::results::{Estimate, Outcome, Results, Scope, Significance, Split, Timing, TrainedOn};

/// The lines of a table in comfy-table's order; all others are left out.
const RULE_UNDER_HEADER: &str = "     ──            ";
/// The most contexts side by side in one table. Further ones go into a table below.
const CONTEXTS_ABREAST: usize = 3;

/// The most variations of one context in the table of differences.
const MOST_VARIATIONS: usize = 12;

/// All findings of a study for a terminal, those of the three named experiments first.
#[must_use]
pub fn tables(results: &Results) -> String {
    let found = Findings::new(results);
    let mut out = format!(
        "Bias by {} in {}, and what pruning does to it\n",
        short(&results.prompts.attribute.name, 30),
        short(&results.model.name, 60)
    );
    let mut part = |headline: &str, sentences: &[String], table: String| {
        out += &format!("\n{headline}\n");
        for sentence in sentences {
            out += &format!("  {sentence}\n");
        }
        out += &format!("{table}\n");
    };
    let one = format!("Experiment 1: {}", found.baseline_title());
    let mut sentences = vec![found.baseline_sentence()];
    sentences.extend(found.without_scale_sentence());
    sentences.extend(found.without_value_sentence());
    sentences.extend(found.units_sentence());
    sentences.extend(found.on_both_sides_sentence());
    part(&one, &sentences, baseline(&found));
    let mut sentences = vec![found.transfer_summary()];
    sentences.extend(found.transfer_sentences());
    sentences.extend(found.left_out_sentences());
    let two = format!("Experiment 2: {}", found.transfer_title());
    part(&two, &sentences, String::new());
    let note = "Reduction of mean |SMD| [95 % interval], then inlier ratio; held-out variations and names; * made from that context.";
    part("Transfer", &[note.into()], transfer(&found));
    let note = "Median reduction over masks (lowest to highest), then mean inlier ratio.";
    part("How far from what a mask was made from", &[note.into()], scopes(&found));
    let mut sentences = vec![found.overlap_summary()];
    sentences.extend(found.overlap_sentences());
    part("Experiment 3: overlap between contexts", &sentences, overlaps(&found));
    let mut sentences = vec![found.certainty_summary()];
    sentences.push(format!("Each context’s {MOST_VARIATIONS} largest differences at most; p by relabelling names; corrected within a context."));
    part("How sure: differences before pruning", &sentences, variations(&found));
    let note = "Reduction at home less that elsewhere, same names [95 % interval], each method at its middle budget; above zero is less elsewhere.";
    part(
        "How sure: reductions at home and elsewhere",
        &[found.shortfall_summary(), note.into()],
        shortfalls(&found),
    );
    let note = "All contexts pooled; 1.0x is what a random mask of the same size would give.";
    part("Where the pruned weights lie", &[note.into()], locations(&found));
    for own in questions(&found) {
        let mut rows = table(own.header.iter().copied(), own.labels);
        own.rows.iter().for_each(|row| {
            rows.add_row(row.iter().map(|cell| short(cell, 44)));
        });
        part(&own.title, &[own.note], rows.to_string());
    }
    // Labels come from files of others: none of them may steer the terminal.
    out.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

fn table<T: Into<String>>(header: impl IntoIterator<Item = T>, left: usize) -> Table {
    let mut table = Table::new();
    table
        .load_preset(RULE_UNDER_HEADER)
        .set_header(header.into_iter().map(|h| Cell::new(h.into())));
    for column in table.column_iter_mut().skip(left) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn baseline(found: &Findings) -> String {
    let [a, b] = &found.results.prompts.groups;
    let header = [
        "context",
        "mean |SMD|",
        "signed",
        "strongest variation",
        "significant",
        "detectable",
        "inlier",
        "unexplored",
    ];
    let names = format!("names ({} / {})", short(a, 12), short(b, 12));
    let mut table = table(header.map(String::from).into_iter().chain([names]), 1);
    for (own, sure) in found.results.baseline.iter().zip(found.certainties()) {
        let strongest = own.variations.iter().filter_map(|v| Some((v, v.effect()?)));
        let strongest = strongest.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
        table.add_row([
            short(own.context.as_str(), 20),
            estimate(&own.bias),
            signed_estimate(&own.signed),
            strongest.map_or(DASH.into(), |(v, smd)| {
                format!("{} {}", short(&v.variation, 20), signed(smd))
            }),
            if sure.tested == 0 {
                DASH.into()
            } else {
                format!("{} of {}", sure.holm, sure.tested)
            },
            sure.detectable.map_or(DASH.into(), |d| fixed(d, 2)),
            estimate(&own.inlier),
            share(own.unexplored),
            sure.names.map_or(DASH.into(), |[a, b]| format!("{a} / {b}")),
        ]);
    }
    table.to_string()
}

fn variations(found: &Findings) -> String {
    let header = [
        "context",
        "variation",
        "part",
        "asked for",
        "SMD",
        "p",
        "Holm",
        "false discovery",
        "answered",
    ];
    let mut table = table(header, 4);
    let choice = found.results.settings.choice;
    for own in &found.results.baseline {
        for v in largest_differences(own, MOST_VARIATIONS) {
            let effect = Estimate { value: v.effect().unwrap_or(f64::NAN), interval: v.interval };
            let p = |of: fn(&Significance) -> f64| probability(v.significance.as_ref().map(of));
            table.add_row([
                short(own.context.as_str(), 20),
                short(&v.variation, 24),
                if v.split == Split::HeldOut { "held out".into() } else { "attribution".into() },
                asked_for(v.kind, choice),
                signed_estimate(&effect),
                p(|s| s.p),
                p(|s| s.holm),
                p(|s| s.false_discovery),
                v.answered.map(|own| own.map_or(DASH.into(), share)).join(" / "),
            ]);
        }
    }
    table.to_string()
}

fn shortfalls(found: &Findings) -> String {
    let all = found.shortfalls();
    let part = |abreast: &[&Context]| {
        let header = ["method", "budget", "made from"].map(String::from);
        let mut table =
            table(header.into_iter().chain(abreast.iter().map(|c| short(c.as_str(), 20))), 2);
        for own in all.chunk_by(|a, b| a.strategy.id == b.strategy.id) {
            let Some(first) = own.first() else { continue };
            let cell = |c: &Context| match own.iter().find(|s| s.outcome.context == *c) {
                Some(there) => percent_estimate(&there.estimate),
                None if c == first.from => "home".into(),
                None => DASH.into(),
            };
            let Family { method, budget, .. } = first.family;
            let names = [method.into(), budget.to_string(), short(first.from.as_str(), 20)];
            table.add_row(names.into_iter().chain(abreast.iter().map(|c| cell(c))));
        }
        table.to_string()
    };
    if all.is_empty() {
        return String::new();
    }
    found.contexts().chunks(CONTEXTS_ABREAST).map(part).collect::<Vec<_>>().join("\n")
}

fn transfer(found: &Findings) -> String {
    let contexts = found.contexts();
    let part = |abreast: &[&Context]| {
        let header = ["method", "budget", "weights", "made from"].map(String::from);
        let mut table =
            table(header.into_iter().chain(abreast.iter().map(|c| short(c.as_str(), 20))), 2);
        for family in found.families() {
            let made_from =
                contexts.iter().map(|c| TrainedOn::Context((*c).clone())).chain([TrainedOn::All]);
            for (trained_on, strategy) in
                made_from.filter_map(|t| Some((t.clone(), found.strategy(&family, &t)?)))
            {
                let own =
                    |c: &Context| matches!(&trained_on, TrainedOn::Context(from) if from == c);
                let cell = |c: &Context| match found.tested(strategy, c) {
                    Some(outcome) if own(c) => format!("*{}", outcome_cell(outcome)),
                    Some(outcome) => outcome_cell(outcome),
                    None => DASH.into(),
                };
                let from = match &trained_on {
                    TrainedOn::Context(from) => short(from.as_str(), 20),
                    _ => "all contexts".into(),
                };
                let names =
                    [family.method.into(), family.budget.to_string(), share(strategy.share), from];
                table.add_row(names.into_iter().chain(abreast.iter().map(|c| cell(c))));
            }
        }
        table.to_string()
    };
    contexts.chunks(CONTEXTS_ABREAST).map(part).collect::<Vec<_>>().join("\n")
}

fn outcome_cell(outcome: &Outcome) -> String {
    format!("{} {}", percent_estimate(&outcome.reduction), estimate(&outcome.inlier))
}

fn scopes(found: &Findings) -> String {
    const SCOPES: [(Scope, &str); 5] = [
        (Scope::PromptSpecific, "its own prompt"),
        (Scope::Attributed, "prompts attributed on"),
        (Scope::HeldOut, "held-out, own context"),
        (Scope::CrossContext, "other contexts"),
        (Scope::All, "made from all contexts"),
    ];
    let mut table = table(["method", "budget"].into_iter().chain(SCOPES.map(|s| s.1)), 2);
    for family in found.families() {
        let cells = SCOPES.map(|(scope, _)| {
            let all = found.in_scope(&family, scope);
            let mut reductions: Vec<f64> =
                all.iter().map(|o| o.reduction.value).filter(|v| v.is_finite()).collect();
            reductions.sort_by(f64::total_cmp);
            let Some((low, high)) = reductions.first().zip(reductions.last()) else {
                return DASH.into();
            };
            let inlier = all.iter().map(|o| o.inlier.value).sum::<f64>() / all.len() as f64;
            let (median, ends) = (percent(median(&reductions)), [low * 100.0, high * 100.0]);
            format!(
                "{median} ({} to {}) {}",
                fixed(ends[0], 0),
                fixed(ends[1], 0),
                fixed(inlier, 2)
            )
        });
        table.add_row([family.method.into(), family.budget.to_string()].into_iter().chain(cells));
    }
    table.to_string()
}

/// The median of sorted values.
fn median(sorted: &[f64]) -> f64 {
    let at = |i: usize| sorted.get(i).copied().unwrap_or(f64::NAN);
    f64::midpoint(at(sorted.len() / 2), at(sorted.len().saturating_sub(1) / 2))
}

fn overlaps(found: &Findings) -> String {
    let [from, to] = found.focus();
    let pair = format!("{} / {}", short(from.as_str(), 14), short(to.as_str(), 14));
    let header = [
        "method".into(),
        "budget".into(),
        format!("Jaccard {pair}"),
        "(chance)".into(),
        "coefficient".into(),
        "(chance)".into(),
        "Jaccard, all pairs".into(),
    ];
    let mut table = table(header, 2);
    let optional = |value: Option<f64>| value.map_or(DASH.into(), |v| fixed(v, 3));
    for family in found.families() {
        let all: Vec<f64> =
            found.overlaps(&family).filter_map(|o| o.jaccard).filter(|j| j.is_finite()).collect();
        let range =
            match (all.iter().copied().reduce(f64::min), all.iter().copied().reduce(f64::max)) {
                (Some(low), Some(high)) => format!("{} to {}", fixed(low, 3), fixed(high, 3)),
                _ => continue,
            };
        let focus = found.overlap(&family, from, to);
        table.add_row([
            family.method.into(),
            family.budget.to_string(),
            optional(focus.and_then(|o| o.jaccard)),
            optional(focus.and_then(|o| o.jaccard_by_chance)),
            optional(focus.and_then(|o| o.coefficient)),
            optional(focus.and_then(|o| o.coefficient_by_chance)),
            range,
        ]);
    }
    table.to_string()
}

fn locations(found: &Findings) -> String {
    let header =
        ["method", "budget", "in the MLP", "(random)", "later half", "(random)", "densest"];
    let mut table = table(header, 2);
    let middle = found.results.model.dims.layers / 2;
    for family in found.main() {
        let places = found.places(&family, None);
        let share_of = |wanted: &dyn Fn(usize, Sublayer) -> bool| {
            let own = places.iter().filter(|(at, _)| wanted(at.0, at.1));
            let (chosen, expected) =
                own.fold((0.0, 0.0), |sum, (_, p)| (sum.0 + p.chosen, sum.1 + p.expected));
            let all =
                places.values().fold((0.0, 0.0), |sum, p| (sum.0 + p.chosen, sum.1 + p.expected));
            [percent(chosen / all.0), percent(expected / all.1)]
        };
        let mut densest: Vec<_> = places.iter().filter(|(_, p)| p.ratio().is_finite()).collect();
        if densest.is_empty() {
            continue;
        }
        densest.sort_by(|a, b| b.1.ratio().total_cmp(&a.1.ratio()));
        let densest = densest.iter().take(3).map(|((layer, half), place)| {
            format!("layer {layer} {} {}x", sublayer(*half), fixed(place.ratio(), 1))
        });
        let [mlp, mlp_random] = share_of(&|_, half| half == Sublayer::Mlp);
        let [late, late_random] = share_of(&|layer, _| layer >= middle);
        let densest = densest.collect::<Vec<_>>().join(", ");
        let Family { method, budget, .. } = family;
        table.add_row([
            method.into(),
            budget.to_string(),
            mlp,
            mlp_random,
            late,
            late_random,
            densest,
        ]);
    }
    table.to_string()
}

/// The time that each step of a run took, for a terminal.
#[must_use]
pub fn timing_table(timing: &Timing) -> String {
    let total = timing.seconds();
    let mut table = table(["step", "time", "share"], 1);
    for phase in &timing.phases {
        table.add_row([
            short(&phase.name, 40),
            seconds(phase.seconds),
            percent(phase.seconds / total),
        ]);
    }
    table.add_row(["all".into(), seconds(total), String::new()]);
    format!("{table}\n  peak memory {}", bytes(timing.peak_memory_bytes))
}

/// Seconds in words.
fn seconds(value: f64) -> String {
    match value {
        v if v >= 3600.0 => {
            format!("{:.0} h {:.0} min", (v / 3600.0).floor(), (v % 3600.0 / 60.0).floor())
        }
        v if v >= 60.0 => format!("{:.0} min {:.0} s", (v / 60.0).floor(), (v % 60.0).floor()),
        v => fixed(v, 1) + " s",
    }
}

/// Bytes in words.
fn bytes(value: Option<u64>) -> String {
    value.map_or(DASH.into(), |b| match b as f64 / f64::from(1 << 20) {
        mib if mib >= 1024.0 => format!("{:.1} GiB", mib / 1024.0),
        mib => format!("{mib:.0} MiB"),
    })
}
