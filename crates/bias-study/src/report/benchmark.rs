//! The results of a benchmark, as Markdown tables and curves.

use std::collections::BTreeMap;

use bias_types::UnitKind;

use super::error::ReportError;
use super::numbers::{DASH, fixed, percent, share, signed};
use crate::report::charts;
use crate::report::charts::curves;
use crate::report::charts::curves::{Curve, Point};
use crate::report::charts::{Shape, method_colour};
use crate::results::{Benchmark, Budget, Estimate, MATCHED, ORACLE, Scope, TrainedOn, Tried};

/// The masks of one method at one budget, from each context, or from all contexts but each.
struct Line<'a> {
    method: &'a str,
    unit: UnitKind,
    budget: &'a Budget,
    others: bool,
    tried: Vec<&'a Tried>,
}

impl<'a> Line<'a> {
    /// All of them, in the order in which they were tried.
    fn all(benchmark: &'a Benchmark) -> Vec<Self> {
        let mut order: Vec<Self> = Vec::new();
        let mut known: BTreeMap<(&str, UnitKind, &Budget, bool), usize> = BTreeMap::new();
        for tried in &benchmark.tried {
            let own = &tried.strategy;
            let others = matches!(own.trained_on, TrainedOn::AllBut(_));
            let at =
                *known.entry((&own.method, own.unit, &own.budget, others)).or_insert_with(|| {
                    let (method, budget) = (own.method.as_str(), &own.budget);
                    order.push(Self { method, unit: own.unit, budget, others, tried: Vec::new() });
                    order.len() - 1
                });
            order[at].tried.push(tried);
        }
        // Methods together, each from small to large.
        let first = |line: &Self| order_of(benchmark, line.method, line.unit);
        let share = |line: &Self| line.share();
        order.sort_by(|a, b| {
            (first(a), a.others).cmp(&(first(b), b.others)).then(share(a).total_cmp(&share(b)))
        });
        order
    }

    /// The largest allowed share of all weights among them.
    fn allowed(&self) -> f64 {
        self.tried.iter().map(|t| t.allowed).fold(0.0, f64::max)
    }

    fn share(&self) -> f64 {
        mean(self.tried.iter().map(|t| t.strategy.share))
    }

    fn estimates(&self, scope: Scope) -> Vec<&'a Estimate> {
        let own = self.tried.iter().flat_map(|t| &t.outcomes).filter(|o| o.scope == scope);
        own.map(|o| &o.reduction).filter(|e| e.value.is_finite()).collect()
    }

    fn reductions(&self, scope: Scope) -> Vec<f64> {
        self.estimates(scope).into_iter().map(|e| e.value).collect()
    }

    /// The mean over contexts, and the range from the lowest to the highest end of any context's
    /// interval over names.
    fn with_interval(&self, scope: Scope) -> String {
        let all = self.estimates(scope);
        if all.is_empty() {
            return DASH.into();
        }
        let ends = || all.iter().filter_map(|e| e.interval).flatten();
        let (low, high) =
            (ends().fold(f64::INFINITY, f64::min), ends().fold(f64::NEG_INFINITY, f64::max));
        let middle = percent(mean(all.iter().map(|e| e.value)));
        format!("{middle} [{}..{}]", fixed(low * 100.0, 0), fixed(high * 100.0, 0))
    }

    fn inlier(&self) -> f64 {
        let all = self.tried.iter().flat_map(|t| &t.outcomes).map(|o| o.inlier.value);
        all.fold(f64::INFINITY, f64::min)
    }

    fn perplexity(&self) -> f64 {
        self.tried
            .iter()
            .filter_map(|t| t.strategy.perplexity_change)
            .fold(f64::NEG_INFINITY, f64::max)
    }

    fn known(&self, which: usize) -> String {
        let all: Vec<f64> =
            self.tried.iter().filter_map(|t| t.precision_recall).map(|p| p[which]).collect();
        if all.is_empty() { DASH.into() } else { share(mean(all.into_iter())) }
    }
}

fn order_of(benchmark: &Benchmark, method: &str, unit: UnitKind) -> usize {
    let null = method == MATCHED;
    let at =
        benchmark.tried.iter().position(|t| t.strategy.method == method && t.strategy.unit == unit);
    at.unwrap_or_default() + if null { benchmark.tried.len() } else { 0 }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), v| (sum + v, count + 1.0));
    sum / count
}

/// The mean and the range over contexts.
fn spread(values: &[f64]) -> String {
    let (low, high) =
        values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
    if values.is_empty() {
        return DASH.into();
    }
    let middle = percent(mean(values.iter().copied()));
    format!("{middle} ({}..{})", fixed(low * 100.0, 0), fixed(high * 100.0, 0))
}

/// How well methods find the planted units: means over contexts.
#[must_use]
pub fn localisation_table(benchmark: &Benchmark) -> String {
    let mut lines: Vec<(&str, UnitKind, Vec<[f64; 2]>)> = Vec::new();
    for own in &benchmark.located {
        let values = [own.found.auroc, own.found.average_precision];
        match lines.iter_mut().find(|(method, unit, _)| *method == own.method && *unit == own.unit)
        {
            Some((.., all)) => all.push(values),
            None => lines.push((&own.method, own.unit, vec![values])),
        }
    }
    let mut out =
        "| method | scores | AUROC | lowest | average precision |\n|---|---|---|---|---|\n"
            .to_owned();
    for (method, unit, all) in lines {
        let of = |i: usize| all.iter().map(move |v| v[i]);
        out += &format!(
            "| {method} | {unit}s | {} | {} | {} |\n",
            fixed(mean(of(0)), 3),
            fixed(of(0).fold(f64::INFINITY, f64::min), 3),
            fixed(mean(of(1)), 3)
        );
    }
    out
}

/// The reduction by each method on names and variations that it never saw, one column per budget:
/// means over contexts, and in brackets the range from the lowest to the highest end of any
/// context's 95 % interval over names. If a method does not use a larger budget, its result with
/// the smaller one is repeated.
#[must_use]
pub fn budgets_table(benchmark: &Benchmark) -> String {
    let mut budgets: Vec<f64> = Vec::new();
    let listed = |t: &&Tried| t.strategy.method != ORACLE && t.strategy.unit <= UnitKind::Neuron;
    for tried in benchmark.tried.iter().filter(listed) {
        if !budgets.contains(&tried.allowed) {
            budgets.push(tried.allowed);
        }
    }
    budgets.sort_by(f64::total_cmp);
    let mut out = "| method | prunes |".to_owned();
    out.extend(budgets.iter().map(|b| format!(" {} |", share(*b))));
    out += &format!("\n|---|---|{}\n", "---|".repeat(budgets.len()));
    let lines = Line::all(benchmark);
    let mut done: Vec<(&str, UnitKind)> = Vec::new();
    for line in lines.iter().filter(|l| !l.others && l.unit <= UnitKind::Neuron) {
        if [ORACLE, MATCHED].contains(&line.method) || done.contains(&(line.method, line.unit)) {
            continue;
        }
        done.push((line.method, line.unit));
        out += &format!("| {} | {}s |", line.method, line.unit);
        for budget in &budgets {
            let same =
                |l: &&Line<'_>| (l.method, l.unit, l.others) == (line.method, line.unit, false);
            let within = lines.iter().filter(same).filter(|l| l.allowed() <= *budget);
            let own = within.max_by(|a, b| a.allowed().total_cmp(&b.allowed()));
            out += &format!(
                " {} |",
                own.map_or_else(|| DASH.into(), |l| l.with_interval(Scope::HeldOut))
            );
        }
        out.push('\n');
    }
    out
}

/// Every method at every budget: reductions of mean |SMD| on held-out names, as means and ranges
/// over contexts; on held-out variations, the range from the lowest to the highest end of any
/// context's 95 % interval over names.
#[must_use]
pub fn pareto_table(benchmark: &Benchmark) -> String {
    let known = benchmark.shared_fraction.is_some();
    let mut out = "| method | prunes | made from | weights | variations attributed on | held-out variations | other contexts | lowest inlier ratio | worst neutral perplexity | seconds |".to_owned();
    out += if known { " precision | recall |" } else { "" };
    out += &format!("\n|{}\n", "---|".repeat(if known { 12 } else { 10 }));
    for line in Line::all(benchmark) {
        let name = if line.method == ORACLE || line.method == MATCHED {
            format!("{}, {}", line.method, line.budget)
        } else {
            line.method.to_owned()
        };
        let seconds = mean(line.tried.iter().map(|t| t.seconds));
        let unseen = if line.others { Scope::LeftOut } else { Scope::CrossContext };
        out += &format!(
            "| {name} | {}s | {} | {} | {} | {} | {} | {} | {}% | {} |",
            line.unit,
            if line.others { "the others" } else { "one" },
            share(line.share()),
            spread(&line.reductions(Scope::Attributed)),
            line.with_interval(Scope::HeldOut),
            spread(&line.reductions(unseen)),
            fixed(line.inlier(), 3),
            signed(100.0 * line.perplexity()),
            fixed(seconds, 1),
        );
        if known {
            out += &format!(" {} | {} |", line.known(0), line.known(1));
        }
        out.push('\n');
    }
    out
}

/// The reduction in other contexts divided by that on held-out variations of the mask's own
/// context, beside the share of bias that contexts were trained to share. Each method has the
/// budget with the largest reduction on the prompts that it was attributed on.
#[must_use]
pub fn transfer_table(benchmarks: &[Benchmark]) -> String {
    let known: Vec<&Benchmark> =
        benchmarks.iter().filter(|b| b.shared_fraction.is_some()).collect();
    let mut out = "| method | prunes |".to_owned();
    for own in &known {
        let shared = percent(own.shared_fraction.unwrap_or(f64::NAN));
        out += &format!(" {shared} shared: own | others | others / own |");
    }
    out += &format!("\n|---|---|{}\n", "---|".repeat(3 * known.len()));
    let Some(first) = known.first() else { return out };
    let mut done: Vec<(&str, UnitKind)> = Vec::new();
    for line in Line::all(first) {
        if line.others || line.method == MATCHED || done.contains(&(line.method, line.unit)) {
            continue;
        }
        done.push((line.method, line.unit));
        out += &format!("| {} | {}s |", line.method, line.unit);
        for own in &known {
            let lines = Line::all(own);
            let mut same = lines.iter().filter(|l| {
                (l.method, l.unit, l.others) == (line.method, line.unit, false)
                    && *l.budget != Budget::OfAllContexts
            });
            let best = same.by_ref().max_by(|a, b| {
                // Chosen by what attribution saw, so that what is reported did not choose it.
                let of = |l: &Line<'_>| mean(l.reductions(Scope::Attributed).into_iter());
                let known = |v: f64| if v.is_finite() { v } else { f64::NEG_INFINITY };
                known(of(a)).total_cmp(&known(of(b)))
            });
            let (here, there) = best.map_or((f64::NAN, f64::NAN), |l| {
                let of = |scope| mean(l.reductions(scope).into_iter());
                (of(Scope::HeldOut), of(Scope::CrossContext))
            });
            let carried = if here > 0.1 { fixed(there / here, 2) } else { DASH.into() };
            out += &format!(" {} | {} | {carried} |", percent(here), percent(there));
        }
        out.push('\n');
    }
    out
}

/// Whether masks made from all contexts but one work in that one, beside masks made from one
/// context and tested in the others. Reductions on held-out variations, at the largest budget.
/// Empty if nothing was attributed on several contexts.
#[must_use]
pub fn left_out_table(benchmarks: &[Benchmark]) -> String {
    let mut out = "| method | made from |".to_owned();
    for own in benchmarks {
        out += &format!(" {}: elsewhere | worst |", own.model);
    }
    out += &format!("\n|---|---|{}\n", "---|".repeat(2 * benchmarks.len()));
    let all: Vec<Vec<Line<'_>>> = benchmarks.iter().map(Line::all).collect();
    let mut methods: Vec<&str> = Vec::new();
    for line in all.iter().flatten().filter(|l| l.others) {
        if !methods.contains(&line.method) {
            methods.push(line.method);
        }
    }
    if methods.is_empty() {
        return String::new();
    }
    for (method, others) in methods.iter().flat_map(|m| [(m, false), (m, true)]) {
        let of = |lines: &[Line<'_>]| {
            let own = lines
                .iter()
                .filter(|l| (l.method, l.unit, l.others) == (*method, UnitKind::Weight, others));
            let largest = own.max_by(|a, b| a.allowed().total_cmp(&b.allowed()));
            let scope = if others { Scope::LeftOut } else { Scope::CrossContext };
            largest.map_or_else(Vec::new, |l| l.reductions(scope))
        };
        let cells: Vec<Vec<f64>> = all.iter().map(|lines| of(lines)).collect();
        if cells.iter().all(Vec::is_empty) {
            continue;
        }
        out += &format!("| {method} | {} |", if others { "all others" } else { "one" });
        for own in cells {
            let worst = own.iter().copied().fold(f64::INFINITY, f64::min);
            let known = |v: f64| if v.is_finite() { percent(v) } else { DASH.into() };
            out += &format!(" {} | {} |", known(mean(own.into_iter())), known(worst));
        }
        out.push('\n');
    }
    out
}

/// Reduction on held-out variations against the share of weights pruned, one curve per method that
/// prunes single weights.
///
/// # Errors
/// A chart that cannot be drawn.
pub fn pareto_chart(benchmark: &Benchmark, scope: Scope) -> Result<String, ReportError> {
    let mut curves: Vec<(&str, Curve)> = Vec::new();
    let lines = Line::all(benchmark);
    for line in
        lines.iter().filter(|l| l.unit == UnitKind::Weight && !l.others && l.method != MATCHED)
    {
        let reduction = mean(line.reductions(scope).into_iter());
        if !reduction.is_finite() {
            continue;
        }
        let point = Point { x: line.share(), y: reduction.max(-0.5), interval: None };
        match curves.iter_mut().find(|(method, _)| *method == line.method) {
            Some((_, curve)) => curve.points.push(point),
            None => {
                let colour = method_colour(curves.len());
                let (shape, letter) = (Shape::Dot, String::new());
                curves.push((line.method, Curve { points: vec![point], colour, shape, letter }));
            }
        }
    }
    let names: Vec<_> =
        curves.iter().map(|(name, curve)| (format!("● {name}"), curve.colour)).collect();
    let curves: Vec<Curve> = curves.into_iter().map(|(_, curve)| curve).collect();
    let range = curves::range_of(&curves, 0.0, (-1.0, 1.02));
    let title = format!("Reduction against the share of weights pruned, {}", benchmark.model);
    Ok(charts::standing_alone(&curves::against_share(&title, &curves, range, true)?, &names))
}
