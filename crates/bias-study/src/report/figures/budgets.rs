//! The benefit and the cost of pruning more.

use bias_frameworks::measures::Unit;
use bias_frameworks::report::FrameworkResult;

use super::plate::{Plate, look_of};
use crate::report::charts::Shape;
use crate::report::charts::curves;
use crate::report::charts::curves::{Best, Curve, Point, Scale};
use crate::report::csv_table::{CsvTable, Line};
use crate::report::error::ReportError;
use crate::report::findings::{Family, Findings};
use crate::report::numbers::{fixed, percent};
use crate::results::{Also, Outcome, Scope, Strategy, TrainedOn};

/// Reduction in the own context, reduction elsewhere on the same scale, and inlier ratio, each
/// against the budget.
pub(crate) fn by_share(found: &Findings) -> Result<Vec<Plate>, ReportError> {
    let reduction: fn(&Outcome) -> f64 = |o| o.reduction.value;
    let (own, own_sheet) = means(found, &[Scope::HeldOut], Shape::Dot, reduction);
    let (other, other_sheet) = means(found, &[Scope::CrossContext], Shape::Diamond, reduction);
    let (inlier, inlier_sheet) =
        means(found, &[Scope::HeldOut, Scope::CrossContext], Shape::Dot, |o| o.inlier.value);
    let both: Vec<Curve> = own.iter().chain(&other).cloned().collect();
    let reductions = curves::range_of(&both, 0.0, LIMIT);
    let inliers = at_least(curves::range_of(&inlier, 1.0, (-1.0, 1.02)), INLIERS);
    let all = [
        ("by-share-own", "Reduction, own context", own, own_sheet, reductions, true),
        ("by-share-others", "Reduction, other contexts", other, other_sheet, reductions, true),
        ("by-share-inlier", "Inlier ratio, all contexts", inlier, inlier_sheet, inliers, false),
    ];
    let mut plates = Vec::new();
    for (name, title, curves, csv, range, percent) in all {
        if csv.is_empty() {
            continue;
        }
        plates.push(Plate {
            name: name.into(),
            title: title.into(),
            drawing: Some(curves::against_share(title, &curves, range, percent)?),
            key: key(found, &curves),
            csv: csv.to_csv(name)?,
        });
    }
    Ok(plates)
}

/// The widest axis of reductions. It leaves room for a letter above the highest point.
const LIMIT: (f64, f64) = (-1.0, 1.08);
/// An axis of inlier ratios shows at least this range, so that small differences do not look large.
const INLIERS: (f64, f64) = (0.9, 1.0);

fn at_least(range: (f64, f64), shown: (f64, f64)) -> (f64, f64) {
    (range.0.min(shown.0), range.1.max(shown.1))
}

/// The mean over contexts for each method and budget.
fn means(
    found: &Findings,
    scopes: &[Scope],
    shape: Shape,
    read: fn(&Outcome) -> f64,
) -> (Vec<Curve>, CsvTable) {
    let mut csv =
        CsvTable::new(&["method", "budget", "share", "mean", "lowest", "highest", "outcomes"]);
    let mut point = |family: &Family| {
        let own = scopes.iter().flat_map(|scope| found.in_scope(family, *scope));
        let values: Vec<f64> = own.map(read).filter(|v| v.is_finite()).collect();
        if values.is_empty() {
            return None;
        }
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let ends = [
            values.iter().copied().fold(f64::INFINITY, f64::min),
            values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        ];
        let line = Line::new()
            .text(family.method)
            .text(&family.budget.to_string())
            .number(family.share)
            .number(mean);
        csv.push(line.interval(Some(ends)).count(values.len()));
        Some(Point { x: family.share, y: mean, interval: None })
    };
    let curves = by_method(found, shape, |family| point(family).into_iter().collect());
    (curves, csv)
}

/// One curve for each method that has a point.
fn by_method(
    found: &Findings,
    shape: Shape,
    mut points: impl FnMut(&Family) -> Vec<Point>,
) -> Vec<Curve> {
    let families = found.families();
    let mut curves = Vec::new();
    for own in families.chunk_by(|a, b| a.method == b.method) {
        let points: Vec<Point> = own.iter().flat_map(&mut points).collect();
        if let Some(first) = own.first().filter(|_| !points.is_empty()) {
            let (colour, letter) = look_of(found, first.method);
            curves.push(Curve { points, colour, shape, letter });
        }
    }
    curves
}

fn key(found: &Findings, curves: &[Curve]) -> Vec<(String, plotters::style::RGBColor)> {
    let mut methods: Vec<&str> = found.families().iter().map(|f| f.method).collect();
    methods.dedup();
    let known = methods.into_iter().map(|m| (look_of(found, m), found.label(m)));
    let shown = known.filter(|((_, letter), _)| curves.iter().any(|c| c.letter == *letter));
    shown.map(|((colour, letter), label)| (format!("● {letter} {label}"), colour)).collect()
}

/// Reads the cost of a mask.
type Read<'c> = Box<dyn Fn(&Strategy, &Outcome) -> f64 + 'c>;

/// The cost of a mask.
struct Cost<'c> {
    name: String,
    axis: String,
    /// What is called so in a title, and in the file's header.
    words: String,
    column: &'static str,
    best: Best,
    read: Read<'c>,
    label: fn(f64) -> String,
    /// The position of a model without a mask, the range that the axis shows at least, and its
    /// widest range.
    origin: f64,
    shown: (f64, f64),
    limit: (f64, f64),
}

/// Inlier ratio, perplexity, and whatever else was measured that a model can do.
fn costs<'c>(found: &Findings<'c>) -> Vec<Cost<'c>> {
    let mut all = vec![
        Cost {
            name: "inlier".into(),
            axis: "inlier ratio: further right is more useful →".into(),
            words: "inlier ratio".into(),
            column: "inlier",
            best: Best::High,
            read: Box::new(|_, o| o.inlier.value),
            label: |x| fixed(x, 2),
            origin: 1.0,
            shown: INLIERS,
            limit: (0.0, 1.01),
        },
        Cost {
            name: "perplexity".into(),
            axis: "← further left is better: change of perplexity".into(),
            words: "change of perplexity".into(),
            column: "perplexity_change",
            best: Best::Low,
            read: Box::new(|s, _| s.perplexity_change.unwrap_or(f64::NAN)),
            label: percent,
            origin: 0.0,
            shown: (-0.05, 0.05),
            limit: (-0.2, 1.0),
        },
    ];
    if let Some(also) = &found.results.also {
        all.extend(also.frameworks.iter().filter_map(|own| capability(also, own)));
    }
    all
}

/// The axis of a capability: its headline measure, as it is with the mask.
fn capability<'c>(also: &'c Also, own: &'c FrameworkResult) -> Option<Cost<'c>> {
    let framework = own.framework;
    let known = |name: &&&str| also.before(framework, name).is_some();
    let measure: &'static str = framework.headline().iter().find(known)?;
    let before = also.before(framework, measure).filter(|_| !framework.is_bias())?;
    let unit = own.measures.iter().find(|own| own.name == measure)?.unit;
    let words = format!("{framework}, {measure}");
    let read = move |s: &Strategy, _: &Outcome| {
        also.change(&s.id, framework, measure).and_then(|own| own.after).unwrap_or(f64::NAN)
    };
    let share = unit == Unit::Share;
    let axis = match share {
        true => format!("{words}: further right is better →"),
        false => format!("← further left is better: {words}"),
    };
    let margin = if share { 0.05 } else { 0.05 * before.abs() };
    Some(Cost {
        name: framework.key().into(),
        axis,
        words,
        column: "capability",
        best: if share { Best::High } else { Best::Low },
        read: Box::new(read),
        label: if share { percent } else { |x| fixed(x, 2) },
        origin: before,
        shown: (before - margin, before + margin),
        limit: if share { (0.0, 1.01) } else { (0.5 * before, 2.0 * before) },
    })
}

/// Reduction against usefulness over the budgets, for masks made from the first focus context and
/// tested there and in the second.
pub(crate) fn pareto(found: &Findings) -> Result<Vec<Plate>, ReportError> {
    let [from, to] = found.focus();
    let mut plates = Vec::new();
    for (place, context, shape) in [("own", from, Shape::Dot), ("others", to, Shape::Diamond)] {
        if place == "others" && from == to {
            continue;
        }
        for cost in costs(found) {
            let name = format!("pareto-{place}-{}", cost.name);
            let mut tried: Vec<(Family, &Strategy, &Outcome)> = Vec::new();
            let curves = by_method(found, shape, |family| {
                let strategy = found.strategy(family, &TrainedOn::Context(from.clone()));
                let own = strategy.and_then(|s| Some((s, found.tested(s, context)?)));
                let own = own.filter(|(s, o)| {
                    (cost.read)(s, o).is_finite() && o.reduction.value.is_finite()
                });
                let Some((strategy, o)) = own else { return Vec::new() };
                let Some(known) = found.families().into_iter().find(|f| f == family) else {
                    return Vec::new();
                };
                tried.push((known, strategy, o));
                let (y, interval) = (o.reduction.value, o.reduction.interval);
                vec![Point { x: (cost.read)(strategy, o), y, interval }]
            });
            if tried.is_empty() {
                continue;
            }
            let on_front = curves::undominated(&curves, cost.best);
            let mut csv = CsvTable::new(&[
                "strategy",
                "method",
                "budget",
                "made_from",
                "tested_on",
                "share",
                cost.column,
                "reduction",
                "low",
                "high",
                "on_front",
            ]);
            for ((family, strategy, o), on) in tried.iter().zip(on_front.iter().flatten()) {
                let line = Line::new()
                    .text(&strategy.id)
                    .text(family.method)
                    .text(&family.budget.to_string());
                let line = line.context(from).context(&o.context).number(strategy.share);
                let line = line.number((cost.read)(strategy, o)).estimate(&o.reduction);
                csv.push(line.text(if *on { "yes" } else { "no" }));
            }
            let x = at_least(curves::range_along(&curves, cost.origin, cost.limit), cost.shown);
            let x = Scale { name: &cost.axis, range: x, label: cost.label };
            let y = curves::range_of(&curves, 0.0, LIMIT);
            let y = Scale { name: "reduction of bias", range: y, label: percent };
            let title =
                format!("Made from {from}, tested on {context}: reduction against {}", cost.words);
            plates.push(Plate {
                drawing: Some(curves::against_cost(&title, &curves, [x, y], cost.best)?),
                key: key(found, &curves),
                csv: csv.to_csv(&name)?,
                name,
                title,
            });
        }
    }
    Ok(plates)
}
