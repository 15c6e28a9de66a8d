//! The differences between the groups' answers before pruning.

use super::plate::{Plate, file_name};
use crate::report::charts;
use crate::report::charts::{Axis, BLUE, DotRow, GREY, INK, Mark, ORANGE, Shape};
use crate::report::csv_table::{CsvTable, Line};
use crate::report::error::ReportError;
use crate::report::findings::{Findings, largest_differences};
use crate::report::numbers::{estimate, fixed, probability, signed, signed_estimate};
use crate::report::words::{asked_for, part, short};
use crate::results::{ALPHA, Baseline, ChoiceValue, Estimate, Kind, Split, VariationBaseline};

/// The most variations in a drawing: those with the largest differences. The CSV has all of them.
pub(crate) const MOST_ROWS: usize = 40;
/// The widest axis of differences.
const LIMIT: (f64, f64) = (-5.0, 5.0);

/// One forest plot per context, all on one scale: every variation, then the context's means.
pub(crate) fn forests(found: &Findings) -> Result<Vec<Plate>, ReportError> {
    let all: Vec<(&Baseline, Vec<DotRow>)> =
        found.results.baseline.iter().map(|own| (own, forest_rows(own))).collect();
    let range = charts::range_of(all.iter().flat_map(|(_, rows)| rows), LIMIT);
    let [a, b] = &found.results.prompts.groups;
    let name = format!("← favours {} · SMD · favours {} →", short(b, 12), short(a, 12));
    let columns = ["SMD", "p", "Holm"];
    let axis = Axis {
        name: &name,
        range,
        percent: false,
        width: 620,
        margins: (160, 204),
        columns: &columns,
    };
    let plate = |(i, (own, rows)): (usize, &(&Baseline, Vec<DotRow>))| {
        let title =
            format!("SMD of every variation in {}, with 95 % intervals and p values", own.context);
        let name = file_name("smd", i, own.context.as_str());
        Ok(Plate {
            drawing: Some(charts::dot_plot(&title, rows, axis)?),
            csv: forest_csv(own, found.results.settings.choice).to_csv(&name)?,
            key: vec![
                ("● attribution sees it".into(), BLUE),
                ("○ held out".into(), ORANGE),
                ("◆ the context".into(), INK),
                ("* Holm below 0.05".into(), GREY),
            ],
            name,
            title,
        })
    };
    all.iter().enumerate().map(plate).collect()
}

fn forest_rows(own: &Baseline) -> Vec<DotRow> {
    let row = |v: &VariationBaseline| {
        let (shape, colour) =
            if v.split == Split::Attribution { (Shape::Dot, BLUE) } else { (Shape::Ring, ORANGE) };
        let value = v.effect().unwrap_or(f64::NAN);
        let holm = v.significance.map(|s| s.holm);
        let star = if holm.is_some_and(|p| p < ALPHA) { "*" } else { "" };
        let notes =
            vec![signed(value), probability(v.significance.map(|s| s.p)), probability(holm) + star];
        let label = match v.kind {
            Kind::Free => v.variation.clone(),
            Kind::Number | Kind::Choice => format!("{} ({})", v.variation, v.kind),
        };
        DotRow { label, marks: vec![Mark { value, interval: v.interval, shape, colour }], notes }
    };
    let summary = |label: &str, e: &Estimate, said: String| DotRow {
        label: label.into(),
        marks: vec![Mark {
            value: e.value,
            interval: e.interval,
            shape: Shape::Summary,
            colour: INK,
        }],
        notes: vec![said],
    };
    let mut rows: Vec<DotRow> = largest_differences(own, MOST_ROWS).into_iter().map(row).collect();
    rows.push(summary("mean SMD", &own.signed, signed(own.signed.value)));
    rows.push(summary("mean |SMD|", &own.bias, fixed(own.bias.value, 2)));
    rows
}

fn forest_csv(own: &Baseline, choice: ChoiceValue) -> CsvTable {
    let mut csv = CsvTable::new(&[
        "context",
        "row",
        "variation",
        "part",
        "smd",
        "low",
        "high",
        "p",
        "holm",
        "false_discovery",
        "mean_first",
        "mean_second",
        "asked_for",
        "error",
        "estimated",
        "answered_first",
        "answered_second",
        "bound_low",
        "bound_high",
    ]);
    for v in &own.variations {
        let [a, b] = v.means;
        let line = Line::new().context(&own.context).text("variation").text(&v.variation);
        let line = line.text(part(v.split)).number(v.effect()).interval(v.interval);
        let s = v.significance;
        let line = line
            .number(s.map(|s| s.p))
            .number(s.map(|s| s.holm))
            .number(s.map(|s| s.false_discovery));
        let line = line.number(a).number(b).text(&asked_for(v.kind, choice)).number(v.error);
        let [a, b] = v.answered;
        let [low, high] = v.bounds.map_or([None; 2], |bounds| bounds.map(Some));
        csv.push(line.number(v.estimated).number(a).number(b).number(low).number(high));
    }
    for (row, e) in [("mean_smd", &own.signed), ("mean_abs_smd", &own.bias)] {
        let line = Line::new().context(&own.context).text(row).text("").text("").estimate(e);
        let line = line.number(None).number(None).number(None).number(None).number(None).text("");
        csv.push((0..6).fold(line, |line, _| line.number(None)));
    }
    csv
}

/// The two contexts of the named experiments, side by side.
pub(crate) fn baseline(found: &Findings) -> Result<Option<Plate>, ReportError> {
    let mut rows = Vec::new();
    let mut csv = CsvTable::new(&["context", "row", "variation", "value", "low", "high"]);
    for own in found.distinct_focus().into_iter().filter_map(|c| found.baseline(c)) {
        let summary = |e: &Estimate, shape, colour| Mark {
            value: e.value,
            interval: e.interval,
            shape,
            colour,
        };
        let context = short(own.context.as_str(), 18);
        let (marks, notes) =
            (vec![summary(&own.bias, Shape::Dot, BLUE)], vec![estimate(&own.bias)]);
        rows.push(DotRow { label: format!("{context}: mean |SMD|"), marks, notes });
        let each = own.variations.iter().filter_map(|v| v.effect());
        let tick = |value| Mark { value, interval: None, shape: Shape::Tick, colour: GREY };
        let mut marks: Vec<Mark> = each.map(tick).collect();
        marks.push(summary(&own.signed, Shape::Diamond, ORANGE));
        let notes = vec![signed_estimate(&own.signed)];
        rows.push(DotRow { label: format!("{context}: mean SMD"), marks, notes });
        let line = |row: &str, variation: &str| {
            Line::new().context(&own.context).text(row).text(variation)
        };
        csv.push(line("mean_abs_smd", "").estimate(&own.bias));
        csv.push(line("mean_smd", "").estimate(&own.signed));
        for v in &own.variations {
            csv.push(line("variation", &v.variation).number(v.effect()).interval(v.interval));
        }
    }
    if rows.is_empty() {
        return Ok(None);
    }
    let range = charts::range_of(&rows, LIMIT);
    let name = "standardized mean difference before pruning";
    let columns = ["[95 % interval]"];
    let axis =
        Axis { name, range, percent: false, width: 1000, margins: (240, 170), columns: &columns };
    let title = "Bias before pruning in the two contexts";
    Ok(Some(Plate {
        name: "baseline".into(),
        title: title.into(),
        drawing: Some(charts::dot_plot(title, &rows, axis)?),
        key: vec![
            ("● mean |SMD|".into(), BLUE),
            ("◇ mean SMD".into(), ORANGE),
            ("| one variation".into(), GREY),
        ],
        csv: csv.to_csv("baseline")?,
    }))
}
