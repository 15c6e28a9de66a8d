//! Every context against every other: transfer of masks, and their overlap. The page has tables of
//! them.

use super::plate::{Plate, table};
use crate::report::charts;
use crate::report::charts::{Axis, BLUE, DotRow, Mark, ORANGE, Shape};
use crate::report::csv_table::{CsvTable, Line};
use crate::report::error::ReportError;
use crate::report::findings::{Family, Findings};
use crate::report::numbers::share;
use crate::report::words::made_from;
use crate::results::{Estimate, Scope};

/// Every mask and its effect, in every scope.
pub(crate) fn transfer(found: &Findings) -> Result<Option<Plate>, ReportError> {
    let mut csv = CsvTable::new(&[
        "strategy",
        "method",
        "budget",
        "unit",
        "made_from",
        "tested_on",
        "scope",
        "weights",
        "share",
        "perplexity_change",
        "before",
        "after",
        "after_low",
        "after_high",
        "signed_after",
        "reduction",
        "low",
        "high",
        "inlier",
        "inlier_low",
        "inlier_high",
        "inlier_before",
        "shortfall",
        "shortfall_low",
        "shortfall_high",
        "unexplored",
        "degenerate",
    ]);
    for o in &found.results.outcomes {
        let Some(s) = found.strategies.get(o.strategy.as_str()) else { continue };
        let line = Line::new()
            .text(&s.id)
            .text(&s.method)
            .text(&s.budget.to_string())
            .text(&s.unit.to_string());
        let line =
            line.text(&made_from(&s.trained_on)).context(&o.context).text(scope_name(o.scope));
        let line = line.count(s.weights).number(s.share).number(s.perplexity_change);
        let line =
            line.number(o.before).estimate(&o.after).number(o.signed_after).estimate(&o.reduction);
        let line = line.estimate(&o.inlier).number(o.inlier_before);
        let absent = Estimate { value: f64::NAN, interval: None };
        let line = line.estimate(&o.shortfall.unwrap_or(absent));
        csv.push(line.number(o.unexplored).count(o.degenerate));
    }
    table("transfer", "What each mask did in each context", &csv)
}

/// Its name in `results.json`.
fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::PromptSpecific => "prompt_specific",
        Scope::Attributed => "attributed",
        Scope::HeldOut => "held_out",
        Scope::CrossContext => "cross_context",
        Scope::All => "all",
        Scope::LeftOut => "left_out",
    }
}

/// Every pair of masks of one method and budget.
pub(crate) fn overlap(found: &Findings) -> Result<Option<Plate>, ReportError> {
    let mut csv = CsvTable::new(&[
        "method",
        "budget",
        "first",
        "second",
        "jaccard",
        "jaccard_by_chance",
        "coefficient",
        "coefficient_by_chance",
    ]);
    for o in &found.results.overlaps {
        let [a, b] = &o.contexts;
        let line = Line::new().text(&o.method).text(&o.budget.to_string()).context(a).context(b);
        let line = line.number(o.jaccard).number(o.jaccard_by_chance);
        csv.push(line.number(o.coefficient).number(o.coefficient_by_chance));
    }
    table("overlap", "Overlap of masks made from different contexts", &csv)
}

/// The overlap of the two focus contexts' masks, method by method.
pub(crate) fn overlap_chart(found: &Findings) -> Result<Option<Plate>, ReportError> {
    let [from, to] = found.focus();
    let mut csv =
        CsvTable::new(&["method", "budget", "first", "second", "jaccard", "jaccard_by_chance"]);
    let mut row = |family: Family| {
        let overlap = found.overlap(&family, from, to)?;
        let line = Line::new()
            .text(family.method)
            .text(&family.budget.to_string())
            .context(from)
            .context(to);
        csv.push(line.number(overlap.jaccard).number(overlap.jaccard_by_chance));
        let [found_there, chance] =
            [overlap.jaccard, overlap.jaccard_by_chance].map(|v| v.unwrap_or(f64::NAN));
        let mark = |value, shape, colour| Mark { value, interval: None, shape, colour };
        let marks = vec![mark(chance, Shape::Tick, ORANGE), mark(found_there, Shape::Dot, BLUE)];
        let notes = vec![format!("{} / {}", share(found_there), share(chance))];
        Some(DotRow { label: found.name(&family), marks, notes })
    };
    let rows: Vec<DotRow> = found.families().into_iter().filter_map(&mut row).collect();
    if csv.is_empty() {
        return Ok(None);
    }
    let range = charts::range_of(&rows, (0.0, 1.0));
    let name = "weights in both masks, of those in either (Jaccard)";
    let axis = Axis {
        name,
        range,
        percent: true,
        width: 1000,
        margins: (360, 140),
        columns: &["found / by chance"],
    };
    let title = format!("Overlap of masks made from {from} and from {to}");
    Ok(Some(Plate {
        name: "focus-overlap".into(),
        drawing: Some(charts::dot_plot(&title, &rows, axis)?),
        key: vec![("● found".into(), BLUE), ("| by chance".into(), ORANGE)],
        title,
        csv: csv.to_csv("focus-overlap")?,
    }))
}
