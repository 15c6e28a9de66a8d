//! The experiments besides the paper's, each as a table with an explanation.

use std::collections::BTreeSet;

use bias_types::prompt::Context;

use super::also::also;
use super::csv_table::{CsvTable, Line};
use super::findings::Findings;
use super::numbers::{
    DASH, estimate, fixed, percent, percent_estimate, share, signed, signed_estimate,
};
use super::question::Question;
use crate::results::{
    Alternative, Budget, Experiment, GroupDifferences, Outcome, Results, Scope, Strategy,
    TrainedOn, method,
};

/// The questions that were asked and have an answer.
pub(crate) fn questions(found: &Findings) -> Vec<Question> {
    let all = [layers(found), alternatives(found), groups(found), also(found)];
    all.into_iter().flatten().filter(|own| !own.rows.is_empty()).collect()
}

/// The strategies of one experiment made from a context.
fn made_from<'a>(
    results: &'a Results,
    experiment: Experiment,
    context: &Context,
) -> Vec<&'a Strategy> {
    let own = TrainedOn::Context(context.clone());
    results
        .strategies
        .iter()
        .filter(|s| s.experiment == experiment && s.trained_on == own)
        .collect()
}

/// The effect of a strategy in its own context and elsewhere, and its cost.
struct Did<'a> {
    attributed: Option<&'a Outcome>,
    home: Option<&'a Outcome>,
    elsewhere: Vec<&'a Outcome>,
    inlier: f64,
}

fn did<'a>(results: &'a Results, strategy: &Strategy) -> Did<'a> {
    let own: Vec<&Outcome> =
        results.outcomes.iter().filter(|o| o.strategy == strategy.id).collect();
    let of = |scope: Scope| own.iter().copied().filter(move |o| o.scope == scope);
    Did {
        attributed: of(Scope::Attributed).next(),
        home: of(Scope::HeldOut).next(),
        elsewhere: of(Scope::CrossContext).collect(),
        inlier: own.iter().map(|o| o.inlier.value).fold(f64::NAN, f64::min),
    }
}

impl Did<'_> {
    /// Mean reduction in other contexts.
    fn away(&self) -> f64 {
        let found: Vec<f64> =
            self.elsewhere.iter().map(|o| o.reduction.value).filter(|v| v.is_finite()).collect();
        found.iter().sum::<f64>() / found.len() as f64
    }

    /// The mean, and the range from the lowest to the highest.
    fn away_in_words(&self) -> String {
        let found = self.elsewhere.iter().map(|o| o.reduction.value);
        let (low, high) =
            found.fold((f64::NAN, f64::NAN), |(low, high), v| (v.min(low), v.max(high)));
        let ends = format!(" ({}..{})", fixed(low * 100.0, 0), fixed(high * 100.0, 0));
        if self.away().is_finite() { percent(self.away()) + &ends } else { DASH.into() }
    }
}

fn reduction(outcome: Option<&Outcome>) -> String {
    outcome.map_or(DASH.into(), |o| percent_estimate(&o.reduction))
}

fn dearer(strategy: &Strategy) -> String {
    strategy.perplexity_change.map_or(DASH.into(), |p| signed(p * 100.0) + "%")
}

fn layers(found: &Findings) -> Option<Question> {
    let results = found.results;
    let mut csv = CsvTable::new(&[
        "context",
        "layer",
        "weights",
        "reduction",
        "low",
        "high",
        "reduction_random",
        "random_low",
        "random_high",
        "reduction_elsewhere",
        "lowest_inlier",
        "perplexity_change",
        "chosen_in_layer",
        "expected_in_layer",
    ]);
    let mut rows = Vec::new();
    for context in found.focus() {
        let own = made_from(results, Experiment::Layers, context);
        let layers = own.iter().filter_map(|s| match s.budget {
            Budget::InLayer(_, layer) => Some(layer),
            _ => None,
        });
        for layer in layers.collect::<BTreeSet<usize>>() {
            let here = |s: &&&Strategy| matches!(s.budget, Budget::InLayer(_, own) if own == layer);
            let of =
                |null: bool| own.iter().filter(here).copied().find(|s| s.null_of.is_some() == null);
            let (Some(gap), Some(random)) = (of(false), of(true)) else { continue };
            let (gap_did, random_did) = (did(results, gap), did(results, random));
            // Where a mask of the same size lies that may choose everywhere.
            let Budget::InLayer(share, _) = gap.budget else { continue };
            let free = made_from(results, Experiment::Transfer, context)
                .into_iter()
                .find(|s| s.method == gap.method && s.budget == Budget::Share(share));
            let there = results
                .locations
                .iter()
                .filter(|l| l.layer == layer && free.is_some_and(|free| free.id == l.strategy));
            let (chosen, expected) = there
                .fold((0, 0.0), |(chosen, expected), l| (chosen + l.chosen, expected + l.expected));
            let ratio = chosen as f64 / expected;
            rows.push(vec![
                context.to_string(),
                layer.to_string(),
                gap.weights.to_string(),
                reduction(gap_did.home),
                reduction(random_did.home),
                gap_did.away_in_words(),
                if ratio.is_finite() { fixed(ratio, 1) + "x" } else { DASH.into() },
                fixed(gap_did.inlier, 3),
                dearer(gap),
            ]);
            let line = Line::new().context(context).count(layer).count(gap.weights);
            let home = |line: Line, own: Option<&Outcome>| match own {
                Some(own) => line.estimate(&own.reduction),
                None => line.number(None).interval(None),
            };
            let line = home(home(line, gap_did.home), random_did.home);
            let line =
                line.number(gap_did.away()).number(gap_did.inlier).number(gap.perplexity_change);
            let expected = (expected > 0.0).then_some(expected);
            csv.push(line.number(expected.map(|_| chosen as f64)).number(expected));
        }
    }
    Some(Question {
        name: "by-layer",
        title: "Is the bias in some layers?".into(),
        note: "The same number of weights is pruned in one layer at a time (fewer only where fewer carry any of the gap): those with the highest signed gap, and random ones of the \
               same matrices. Reduction on held-out variations at home [95 % interval] and elsewhere (lowest to highest). Chosen: how often \
               a mask of that size that may choose everywhere takes weights there, over chance, which accounts for the layer's size. Many \
               chosen in a layer whose pruning alone does little means that the bias runs through it but is not held by it."
            .into(),
        header: vec![
            "made from", "layer", "weights",
            "this layer alone", "random, same matrices", "elsewhere", "chosen over chance", "lowest inlier",
            "perplexity",
        ],
        rows,
        labels: 2,
        csv,
    })
}

fn alternatives(found: &Findings) -> Option<Question> {
    let results = found.results;
    if !results.experiments.contains(&Experiment::Alternatives) {
        return None;
    }
    let mut csv = CsvTable::new(&[
        "context",
        "method",
        "budget",
        "weights_changed",
        "share",
        "attributed",
        "attributed_low",
        "attributed_high",
        "held_out",
        "held_out_low",
        "held_out_high",
        "elsewhere",
        "signed_after",
        "lowest_inlier",
        "perplexity_change",
    ]);
    let mut rows = Vec::new();
    for context in found.focus() {
        let pruned = made_from(results, Experiment::Transfer, context);
        let pruned = pruned.into_iter().filter(|s| s.method == method::GAP_PURSUIT);
        for own in pruned.chain(made_from(results, Experiment::Alternatives, context)) {
            let did = did(results, own);
            let after = did.home.map_or(f64::NAN, |o| o.signed_after);
            rows.push(vec![
                context.to_string(),
                if own.experiment == Experiment::Transfer {
                    "gap-pursuit (zeroing)".into()
                } else {
                    own.method.clone()
                },
                own.budget.to_string(),
                share(own.share),
                reduction(did.attributed),
                reduction(did.home),
                did.away_in_words(),
                signed(after),
                fixed(did.inlier, 3),
                dearer(own),
            ]);
            let line = Line::new().context(context).text(&own.method).text(&own.budget.to_string());
            let mut line = line.count(own.weights).number(own.share);
            for outcome in [did.attributed, did.home] {
                line = match outcome {
                    Some(own) => line.estimate(&own.reduction),
                    None => line.number(None).interval(None),
                };
            }
            csv.push(
                line.number(did.away())
                    .number(after)
                    .number(did.inlier)
                    .number(own.perplexity_change),
            );
        }
        for missing in Alternative::STUDIED {
            let tried = made_from(results, Experiment::Alternatives, context);
            if !tried.iter().any(|own| own.method == missing.name()) {
                let mut row =
                    vec![context.to_string(), missing.name().into(), "nothing to treat".into()];
                row.resize(10, DASH.into());
                rows.push(row);
            }
        }
    }
    Some(Question {
        name: "alternatives",
        title: "Does anything else than zeroing weights remove the bias?".into(),
        note: "All made from the same variations and names and tested on the same others. Reduction on variations attributed on, on held-out ones, \
               and in other contexts (lowest to highest); the signed SMD left at home; what else it cost."
            .into(),
        header: vec![
            "made from", "alternative", "how much", "weights changed", "attributed on", "held out", "elsewhere", "signed after",
            "lowest inlier", "perplexity",
        ],
        rows,
        labels: 3,
        csv,
    })
}

fn groups(found: &Findings) -> Option<Question> {
    let results = found.results;
    // Only where people are told apart by more than the file's groups of names.
    let by = results.groups.iter().any(|own| own.attribute.is_some());
    let columns = [
        "context",
        "mask",
        "first",
        "second",
        "signed",
        "signed_low",
        "signed_high",
        "mean_abs",
        "mean_abs_low",
        "mean_abs_high",
        "mean_abs_unpruned",
        "spread",
        "spread_p",
        "spread_unpruned",
    ];
    let more = ["attribute", "p", "p_holm", "spread_by_chance"];
    let mut csv = CsvTable::new(&match by {
        true => [&columns[..], &more].concat(),
        false => columns.to_vec(),
    });
    let mut rows = Vec::new();
    for own in &results.groups {
        let mask = own.strategy.as_deref();
        for pair in &own.pairs {
            let [first, second] = &pair.groups;
            let line = Line::new().context(&own.context).text(mask.unwrap_or_default());
            let line = line.text(first.as_str()).text(second.as_str());
            let line = line.estimate(&pair.signed).estimate(&pair.bias).number(pair.before);
            let line = line.number(own.spread).number(own.spread_p).number(own.spread_before);
            let attribute = own.attribute.as_deref().unwrap_or_default();
            csv.push(match by {
                true => line
                    .text(attribute)
                    .number(pair.p)
                    .number(pair.holm)
                    .number(own.spread_by_chance),
                false => line,
            });
        }
    }
    for own in results.groups.iter().filter(|own| own.strategy.is_none()) {
        // The pursuit made from this context, tested on it.
        let pruned = results.groups.iter().find(|other| {
            let strategy = other.strategy.as_deref().and_then(|id| found.strategies.get(id));
            other.context == own.context
                && other.attribute == own.attribute
                && strategy.is_some_and(|s| {
                    s.method == method::GAP_PURSUIT
                        && s.trained_on == TrainedOn::Context(own.context.clone())
                })
        });
        for pair in &own.pairs {
            let after =
                pruned.and_then(|p| p.pairs.iter().find(|other| other.groups == pair.groups));
            let [first, second] = &pair.groups;
            let holm = pair.holm.map_or_else(String::new, |p| format!(" (Holm p {})", fixed(p, 3)));
            rows.push(vec![
                own.context.to_string(),
                format!("{first} – {second}"),
                signed_estimate(&pair.signed) + &holm,
                after.map_or(DASH.into(), |p| fixed(p.before, 2)),
                after.map_or(DASH.into(), |p| estimate(&p.bias)),
            ]);
        }
        let spread = |own: &GroupDifferences| {
            let p = own.spread_p.map_or(DASH.into(), |p| fixed(p, 3));
            format!("f {} (p {p})", fixed(own.spread, 2))
        };
        rows.push(vec![
            own.context.to_string(),
            own.attribute.as_ref().map_or("all groups".into(), |name| format!("all by {name}")),
            spread(own),
            pruned.map_or(DASH.into(), |p| format!("f {}", fixed(p.spread_before, 2))),
            pruned.map_or(DASH.into(), spread),
        ]);
    }
    Some(Question {
        name: "groups",
        title: "Which groups of names differ, within and across the two compared?".into(),
        note: "Signed SMD between two groups at a time, of all names and variations before pruning; then mean |SMD| on held-out names and variations before \
               and after the context's own gap pursuit, which was made from the two groups compared and never told of others. For all groups together \
               Cohen's f (0.1 small, 0.25 medium, 0.4 large) and how often names dealt to groups by chance lie as far apart."
            .into(),
        header: vec!["context", "groups", "signed SMD before", "held out: |SMD| before", "and after"],
        rows,
        labels: 2,
        csv,
    })
}
