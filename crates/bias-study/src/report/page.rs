//! The results of a study as one self-contained page.

use std::collections::{BTreeMap, BTreeSet};

use bias_model::Decoding;
use bias_types::UnitKind;
use bias_types::model::Sublayer;
use bias_types::prompt::Context;
use minijinja::{AutoEscape, Environment, Value, context};
use serde::Deserialize as _;

use super::certainty::Certainty;
use super::error::ReportError;
use super::findings::{Family, Findings};
use super::numbers::{
    DASH, amount, estimate, fixed, interval, percent, percent_estimate, probability, share, signed,
    signed_estimate,
};
use super::questions::questions;
use super::words::{made_from, sublayer};
use crate::report::charts;
use crate::report::charts::shade;
use crate::report::figures::{
    FIGURES, MOST_PAIRS, MOST_ROWS, NONE_MISSING, Plate, file_name, kinds_of, look_of, plates,
    points,
};
use crate::results::{Baseline, Estimate, Results, Scope, TrainedOn, VariationBaseline};

/// The findings as one HTML page: no scripts, nothing fetched. Its captions refer to the files of
/// [`figures`](super::figures()) in a folder [`FIGURES`] beside it.
///
/// # Errors
/// [`ReportError`] when a figure cannot be drawn or the page cannot be filled in.
pub fn report(results: &Results) -> Result<String, ReportError> {
    let page = Page(Findings::new(results));
    let found = &page.0;
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let of = |value: &Value| f64::try_from(value.clone()).unwrap_or(f64::NAN);
    let with = |value: Value, write: fn(&Estimate) -> String| {
        Estimate::deserialize(value).map_or(DASH.into(), |e| write(&e))
    };
    environment.add_filter("num", move |value: Value, digits: usize| fixed(of(&value), digits));
    environment.add_filter("signed", move |value: Value| signed(of(&value)));
    environment.add_filter("pct", move |value: Value| percent(of(&value)));
    environment.add_filter("share", move |value: Value| share(of(&value)));
    environment.add_filter("amount", move |value: Value| amount(of(&value)));
    environment.add_filter("p", move |value: Value| probability(Some(of(&value))));
    environment.add_filter("est", move |value: Value| with(value, estimate));
    environment.add_filter("sest", move |value: Value| with(value, signed_estimate));
    environment.add_filter("pest", move |value: Value| with(value, percent_estimate));
    environment.add_filter("points", move |value: Value| with(value, points));
    let failed = |source: minijinja::Error| ReportError::Page { source: source.into() };
    environment.add_template("report.html", include_str!("report.html")).map_err(failed)?;
    let drawn = plates(found)?;
    let [from, to] = found.focus();
    let mut methods: Vec<Family> = found.families();
    methods.dedup_by_key(|f| f.method);
    let legend = methods.iter().map(|f| {
        let (colour, letter) = look_of(found, f.method);
        context! { colour => charts::hex(colour), letter, label => found.label(f.method), name => f.method,
        note => found.note(f) }
    });
    let (main, others) = (found.main(), found.families());
    let others: Vec<_> = others.into_iter().filter(|f| !main.contains(f)).collect();
    let matrices =
        |families: &[Family]| families.iter().map(|f| page.matrix(f)).collect::<Vec<_>>();
    let overlaps =
        |families: &[Family]| families.iter().filter_map(|f| page.overlap(f)).collect::<Vec<_>>();
    let mut places = vec![page.places(&main, None)];
    places.extend(found.contexts().into_iter().map(|c| page.places(&main, Some(c))));
    let outcomes = results.outcomes.iter().filter_map(|outcome| {
        let strategy = found.strategies.get(outcome.strategy.as_str())?;
        Some(context! { o => outcome, s => strategy, from => made_from(&strategy.trained_on), scope => scope(outcome.scope) })
    });
    // By cost: in the own context, then in the other.
    let own = drawn.iter().filter_map(|plate| plate.name.strip_prefix("pareto-own-"));
    let pareto: Vec<String> = own
        .flat_map(|cost| ["own", "others"].map(|place| format!("pareto-{place}-{cost}")))
        .collect();
    let figures: BTreeMap<String, Value> = drawn.into_iter().map(figure).collect();
    let values = context! {
        results, from, to, figures, pareto,
        style => Value::from_safe_string(include_str!("report.css").into()),
        baseline_title => found.baseline_title(),
        transfer_title => found.transfer_title(),
        baseline_sentence => found.baseline_sentence(),
        without_scale_sentence => found.without_scale_sentence(),
        without_value_sentence => found.without_value_sentence(),
        on_both_sides_sentence => found.on_both_sides_sentence(),
        units_sentence => found.units_sentence(),
        transfer_summary => found.transfer_summary(),
        transfer_sentences =>
            found.transfer_sentences().into_iter().chain(found.left_out_sentences()).collect::<Vec<_>>(),
        overlap_summary => found.overlap_summary(),
        overlap_sentences => found.overlap_sentences(),
        certainty_summary => found.certainty_summary(),
        shortfall_summary => found.shortfall_summary(),
        panels => page.panels(),
        questions => questions(found),
        most => [MOST_ROWS, MOST_PAIRS],
        none_missing => NONE_MISSING,
        choice => results.settings.choice.to_string(),
        legend => legend.collect::<Vec<_>>(),
        matrices => matrices(&main), other_matrices => matrices(&others),
        overlaps => overlaps(&main), other_overlaps => overlaps(&others),
        places,
        outcomes => outcomes.collect::<Vec<_>>(),
        intervals => results.outcomes.iter().filter(|o| o.reduction.interval.is_some()).count(),
        decoding => match results.settings.decoding {
            Decoding::Greedy => "the single most probable one".into(),
            Decoding::Sampled { samples, seed } => format!("sampled, {samples} per prompt (seed {seed})"),
            Decoding::Exact { unexplored, tokens, .. } => format!(
                "all, with their probability, but for {} at most; beyond {tokens} tokens for a prompt what is improbable is drawn",
                share(unexplored)
            ),
        },
    };
    environment.get_template("report.html").and_then(|page| page.render(values)).map_err(failed)
}

/// A figure by its name, with the file of its numbers.
fn figure(plate: Plate) -> (String, Value) {
    let chart = plate.drawing.map(Value::from_safe_string);
    // Letters, digits and hyphens.
    let csv = Value::from_safe_string(format!("{FIGURES}/{}.csv", plate.name));
    (plate.name, context! { title => plate.title, chart, csv })
}

/// The parts of the page that are more than a number.
struct Page<'a>(Findings<'a>);

impl Page<'_> {
    /// Every context: its prompts, its figures by name, its kinds of answers, and their certainty.
    fn panels(&self) -> Vec<Value> {
        let panel = |((i, own), sure): ((usize, &Baseline), Certainty)| {
            let prompts = self.0.results.prompts.contexts.iter().find(|c| c.context == own.context);
            let kinds = kinds_of(own).into_iter().map(|k| {
                let said =
                    k.kind.map_or("without a number, in all".into(), |kind| kind.to_string());
                context! { said, shares => k.shares, difference => k.difference }
            });
            let widest = own.variations.iter().filter(|v| v.effect().is_some());
            let widest = widest.max_by(|a, b| {
                let size = |v: &VariationBaseline| v.effect().unwrap_or_default().abs();
                size(a).total_cmp(&size(b))
            });
            context! {
                baseline => own, prompts, widest,
                forest => file_name("smd", i, own.context.as_str()),
                answers => file_name("answers", i, own.context.as_str()),
                kinds => kinds.collect::<Vec<_>>(),
                names => sure.names, held_out => sure.held_out, tested => sure.tested, uncorrected => sure.uncorrected,
                holm => sure.holm, false_discovery => sure.false_discovery, detectable => sure.detectable,
            }
        };
        self.0.results.baseline.iter().enumerate().zip(self.0.certainties()).map(panel).collect()
    }

    /// The transfer matrix of one method and budget.
    fn matrix(&self, family: &Family) -> Value {
        let contexts = self.0.contexts();
        let made_from_each =
            contexts.iter().map(|c| TrainedOn::Context((*c).clone())).chain([TrainedOn::All]);
        let row = |trained_on: TrainedOn| {
            let strategy = self.0.strategy(family, &trained_on)?;
            let cell = |c: &&Context| {
                let outcome = self.0.tested(strategy, c);
                let reduction = outcome.map_or(f64::NAN, |o| o.reduction.value);
                context! {
                    value => percent(reduction), style => shade(reduction * 0.85),
                    sure => outcome.and_then(|o| o.reduction.interval).is_some_and(|[low, high]| low > 0.0 || high < 0.0),
                    interval => outcome.map(|o| interval(o.reduction.interval, |x| fixed(x * 100.0, 0))),
                    inlier => outcome.map_or(DASH.into(), |o| fixed(o.inlier.value, 2)),
                    own => trained_on == TrainedOn::Context((*c).clone()),
                }
            };
            let cells = contexts.iter().map(cell).collect::<Vec<_>>();
            Some(
                context! { label => made_from(&trained_on), share => share(strategy.share), cells },
            )
        };
        let rows = made_from_each.filter_map(row).collect::<Vec<_>>();
        context! { label => self.0.name(family), name => family.method, note => self.0.note(family), columns => contexts, rows }
    }

    /// The overlap matrix of one method and budget, if any pair was compared.
    fn overlap(&self, family: &Family) -> Option<Value> {
        let compared: BTreeSet<&Context> =
            self.0.overlaps(family).flat_map(|o| &o.contexts).collect();
        let mut contexts = self.0.contexts();
        contexts.retain(|c| compared.contains(c));
        if contexts.is_empty() {
            return None;
        }
        let row = |a: &&Context| {
            let cell = |b: &&Context| {
                let overlap = self.0.overlap(family, a, b);
                let jaccard = overlap.and_then(|o| o.jaccard).unwrap_or(f64::NAN);
                context! { value => share(jaccard), style => shade(jaccard * 0.85), own => a == b,
                chance => share(overlap.and_then(|o| o.jaccard_by_chance).unwrap_or(f64::NAN)),
                coefficient => share(overlap.and_then(|o| o.coefficient).unwrap_or(f64::NAN)) }
            };
            context! { label => a, cells => contexts.iter().map(cell).collect::<Vec<_>>() }
        };
        let rows = contexts.iter().map(row).collect::<Vec<_>>();
        Some(context! { label => self.0.name(family), columns => contexts, rows })
    }

    /// Chosen over expected weights by layer, sublayer and method, for one context or for all
    /// together.
    fn places(&self, families: &[Family], context: Option<&Context>) -> Value {
        let found: Vec<_> = families.iter().map(|f| (f, self.0.places(f, context))).collect();
        let found: Vec<_> = found.into_iter().filter(|(_, places)| !places.is_empty()).collect();
        let row = |layer: usize| {
            let cells = found.iter().flat_map(|(family, places)| {
                [Sublayer::Attention, Sublayer::Mlp].map(|half| {
                    let place = places.get(&(layer, half)).copied().unwrap_or_default();
                    let depth = (place.ratio().log2() / 2.0).clamp(-1.0, 1.0);
                    // Heads move as blocks: the deviation of single weights says nothing of them.
                    let chance = family.unit == UnitKind::Weight && place.deviations().abs() < 2.0;
                    context! { value => fixed(place.ratio(), 1), style => shade(depth * 0.85), chance,
                    hint => format!("{} chosen, {} ± {} expected", place.chosen, fixed(place.expected, 0), fixed(place.variance.sqrt(), 0)) }
                })
            });
            context! { layer, cells => cells.collect::<Vec<_>>() }
        };
        // The layers that have places: what the model's sizes say may be any number.
        let layers: BTreeSet<usize> =
            found.iter().flat_map(|(_, places)| places.keys()).map(|(layer, _)| *layer).collect();
        let rows = layers.into_iter().map(row).collect::<Vec<_>>();
        let columns = found.iter().map(|(f, _)| self.0.name(f)).collect::<Vec<_>>();
        context! { context, columns, rows, halves => [sublayer(Sublayer::Attention), sublayer(Sublayer::Mlp)] }
    }
}

fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::PromptSpecific => "its own prompt",
        Scope::Attributed => "prompts attributed on",
        Scope::HeldOut => "held-out, own context",
        Scope::CrossContext => "other context",
        Scope::All => "held-out, made from all",
        Scope::LeftOut => "held-out, made from all others",
    }
}
