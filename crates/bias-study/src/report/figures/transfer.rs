//! The effect of masks made from one context, there and elsewhere.

use super::plate::{Plate, look_of};
use crate::report::certainty::Shortfall;
use crate::report::charts;
use crate::report::charts::{Axis, BLUE, DotRow, GREY, Mark, ORANGE, Shape};
use crate::report::csv_table::{CsvTable, Line};
use crate::report::error::ReportError;
use crate::report::findings::{Family, Findings};
use crate::report::numbers::{DASH, fixed, percent_estimate};
use crate::report::words::short;
use crate::results::{Estimate, TrainedOn};

/// The widest axis of reductions.
const LIMIT: (f64, f64) = (-1.0, 1.0);

/// Masks made from the first focus context, tested there and in the second.
pub(crate) fn focus(found: &Findings) -> Result<Option<Plate>, ReportError> {
    let [from, to] = found.focus();
    let mut csv = CsvTable::new(&[
        "method",
        "budget",
        "made_from",
        "tested_on",
        "reduction",
        "low",
        "high",
        "inlier",
        "inlier_low",
        "inlier_high",
    ]);
    let mut row = |family: Family| {
        let strategy = found.strategy(&family, &TrainedOn::Context(from.clone()))?;
        let mut tested = vec![(true, found.tested(strategy, from))];
        if from != to {
            tested.push((false, found.tested(strategy, to)));
        }
        let mut marks = Vec::new();
        for (own, outcome) in &tested {
            let Some(o) = outcome else { continue };
            let (shape, colour) = if *own { (Shape::Dot, BLUE) } else { (Shape::Diamond, ORANGE) };
            marks.push(Mark {
                value: o.reduction.value,
                interval: o.reduction.interval,
                shape,
                colour,
            });
            let line = Line::new()
                .text(family.method)
                .text(&family.budget.to_string())
                .context(from)
                .context(&o.context);
            csv.push(line.estimate(&o.reduction).estimate(&o.inlier));
        }
        let inlier =
            tested.iter().map(|(_, o)| o.map_or(DASH.into(), |o| fixed(o.inlier.value, 2)));
        let notes = vec![inlier.collect::<Vec<_>>().join(" / ")];
        Some(DotRow { label: found.name(&family), marks, notes })
    };
    let rows: Vec<DotRow> = found.families().into_iter().filter_map(&mut row).collect();
    if csv.is_empty() {
        return Ok(None);
    }
    let range = charts::range_of(&rows, LIMIT);
    let name = "reduction of mean |SMD| on held-out variations";
    let axis = Axis {
        name,
        range,
        percent: true,
        width: 1000,
        margins: (360, 110),
        columns: &["inlier ratios"],
    };
    let title = format!("Reduction of bias in {from} and {to} by masks made from {from}");
    Ok(Some(Plate {
        name: "focus-transfer".into(),
        drawing: Some(charts::dot_plot(&title, &rows, axis)?),
        key: vec![
            (format!("● in {}", short(from.as_str(), 24)), BLUE),
            (format!("◇ in {}", short(to.as_str(), 24)), ORANGE),
        ],
        title,
        csv: csv.to_csv("focus-transfer")?,
    }))
}

/// The shortfall of reductions elsewhere from those in the own context, drawn for masks of the
/// first focus context.
pub(crate) fn shortfall(found: &Findings) -> Result<Option<Plate>, ReportError> {
    let all = found.shortfalls();
    let mut csv = CsvTable::new(&[
        "strategy",
        "method",
        "budget",
        "made_from",
        "tested_on",
        "reduction",
        "shortfall",
        "low",
        "high",
    ]);
    for own in &all {
        let line = Line::new()
            .text(&own.strategy.id)
            .text(own.family.method)
            .text(&own.family.budget.to_string());
        let line = line.context(own.from).context(&own.outcome.context);
        csv.push(line.number(own.outcome.reduction.value).estimate(&own.estimate));
    }
    if csv.is_empty() {
        return Ok(None);
    }
    let [from, _] = found.focus();
    let row = |own: &Shortfall| {
        let (colour, letter) = look_of(found, own.family.method);
        let Estimate { value, interval } = own.estimate;
        // Filled where the interval leaves zero out.
        let sure = interval.is_some_and(|[low, high]| low > 0.0 || high < 0.0);
        let shape = if sure { Shape::Dot } else { Shape::Ring };
        let method = short(&found.label(own.family.method), 38);
        DotRow {
            label: format!("{letter} {method} → {}", short(own.outcome.context.as_str(), 14)),
            marks: vec![Mark { value, interval, shape, colour }],
            notes: vec![percent_estimate(&own.estimate)],
        }
    };
    let rows: Vec<DotRow> = all.iter().filter(|own| own.from == from).map(row).collect();
    let range = charts::range_of(&rows, LIMIT);
    let name = "← more elsewhere · difference of reductions · less elsewhere →";
    let axis = Axis {
        name,
        range,
        percent: true,
        width: 1000,
        margins: (440, 130),
        columns: &["[95 % interval]"],
    };
    let title = format!(
        "How far reductions elsewhere fall short of those in {from}, by masks made from {from}"
    );
    Ok(Some(Plate {
        name: "shortfall".into(),
        drawing: if rows.is_empty() { None } else { Some(charts::dot_plot(&title, &rows, axis)?) },
        key: vec![
            ("● the interval leaves zero out".into(), GREY),
            ("○ it holds zero".into(), GREY),
        ],
        title,
        csv: csv.to_csv("shortfall")?,
    }))
}
