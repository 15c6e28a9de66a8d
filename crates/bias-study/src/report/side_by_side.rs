//! Several models side by side: for a terminal, as Markdown, as CSV.

use comfy_table::{Cell, CellAlignment, Table};

use super::csv_table::{CsvTable, Line};
use super::error::ReportError;
use super::numbers::{DASH, estimate, percent, probability, signed_estimate};
use super::words::short;
use crate::StudyError;
use crate::results::{Estimate, SideBySide, SideCell, SideDifference, SideMeasure, SideRow};

/// What the numbers in a table mean.
const NOTE: &str = "SMD [95 % interval over names]; names of each group; share of answers that do not say what was asked. Δ: how \
                    far from the first model, over the same names [interval, the same names drawn for both]; p by dealing the \
                    names' groups anew, then after Holm.";

/// Models side by side for a terminal: a row for each context and variation, a column for each model.
#[must_use]
pub fn side_by_side_table(found: &SideBySide) -> String {
    let mut table = Table::new();
    let header = ["".to_owned()].into_iter().chain(found.models.iter().map(|own| short(own, 34)));
    table.load_preset("     ──            ").set_header(header.map(Cell::new));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for row in &found.rows {
        let label = match &row.measure {
            SideMeasure::Variation(name) => format!("  {}", short(name, 30)),
            kind => format!("{}: {}", short(row.context.as_str(), 24), named(kind)),
        };
        let cells = lines(row).into_iter().map(|lines| lines.join("\n"));
        table.add_row([label].into_iter().chain(cells));
    }
    let mut out = format!("{NOTE}\n{table}\n");
    for remark in &found.remarks {
        out += &format!("  {remark}\n");
    }
    // Labels come from files of others: none of them may steer the terminal.
    out.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// The same as Markdown.
#[must_use]
pub fn side_by_side_markdown(found: &SideBySide) -> String {
    let plain = |text: &str| -> String {
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        text.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;")
    };
    let mut out = String::from("| context | |");
    found.models.iter().for_each(|own| out += &format!(" {} |", plain(own)));
    out += &format!("\n|---|---|{}\n", "---|".repeat(found.models.len()));
    for row in &found.rows {
        let label = match &row.measure {
            SideMeasure::Variation(name) => plain(name),
            kind => named(kind).replace('|', "\\|"),
        };
        out += &format!("| {} | {label} |", plain(row.context.as_str()));
        lines(row).iter().for_each(|lines| out += &format!(" {} |", lines.join("<br>")));
        out += "\n";
    }
    out += &format!("\n{NOTE}\n");
    if !found.remarks.is_empty() {
        out += "\n";
    }
    found.remarks.iter().for_each(|own| out += &format!("- {}\n", plain(own)));
    out
}

/// The same as CSV: a line for each number of each model.
///
/// # Errors
/// [`StudyError::Report`] if it cannot be written.
pub fn side_by_side_csv(found: &SideBySide) -> Result<String, StudyError> {
    let mut csv = CsvTable::new(&[
        "context",
        "measure",
        "variation",
        "model",
        "value",
        "low",
        "high",
        "names_a",
        "names_b",
        "without_value",
        "difference",
        "difference_low",
        "difference_high",
        "shared_a",
        "shared_b",
        "p",
        "holm",
    ]);
    for row in &found.rows {
        let each = found.models.iter().zip(&row.cells).zip(&row.differences);
        for ((model, cell), difference) in each {
            if cell.is_none() && difference.is_none() {
                continue;
            }
            let (measure, variation) = match &row.measure {
                SideMeasure::MeanAbs => ("mean_abs_smd", ""),
                SideMeasure::MeanSigned => ("mean_smd", ""),
                SideMeasure::Variation(name) => ("smd", name.as_str()),
            };
            let line = Line::new().context(&row.context).text(measure).text(variation).text(model);
            let estimate = cell.as_ref().map(|own| own.estimate);
            let line = numbers(line, estimate, cell.as_ref().and_then(|own| own.names));
            let line = line.number(cell.as_ref().and_then(|own| own.without_value));
            let own = difference.as_ref();
            let estimate = own.map(|own| own.estimate);
            let line = numbers(line, estimate, own.and_then(|own| own.names));
            csv.push(line.number(own.and_then(|own| own.p)).number(own.and_then(|own| own.holm)));
        }
    }
    let written: Result<String, ReportError> = csv.to_csv("side by side");
    Ok(written?)
}

/// A number with its ends, and the names that it is over: five cells.
fn numbers(line: Line, estimate: Option<Estimate>, names: Option<[usize; 2]>) -> Line {
    let line = line.number(estimate.map(|own| own.value));
    let line = line.interval(estimate.and_then(|own| own.interval));
    let names = names.map_or([None; 2], |names| names.map(|own| Some(own as f64)));
    line.number(names[0]).number(names[1])
}

fn named(measure: &SideMeasure) -> &str {
    match measure {
        SideMeasure::MeanAbs => "mean |SMD|",
        SideMeasure::MeanSigned => "mean SMD",
        SideMeasure::Variation(name) => name,
    }
}

/// What is said in a row of each model, in lines.
fn lines(row: &SideRow) -> Vec<Vec<String>> {
    let signs = row.measure != SideMeasure::MeanAbs;
    let each = row.cells.iter().zip(&row.differences);
    let all = each.map(|(cell, difference)| {
        let mut lines = Vec::new();
        match cell {
            Some(cell) => lines.extend(said(cell, signs)),
            None => lines.push(DASH.to_owned()),
        }
        lines.extend(difference.as_ref().map(apart));
        lines
    });
    all.collect()
}

fn said(cell: &SideCell, signs: bool) -> Vec<String> {
    let value = if signs { signed_estimate(&cell.estimate) } else { estimate(&cell.estimate) };
    let names = cell.names.map(|[a, b]| format!("{a} + {b} names"));
    let without = cell.without_value.map(|own| format!("{} without", percent(own)));
    let beside: Vec<String> = names.into_iter().chain(without).collect();
    let beside = (!beside.is_empty()).then(|| beside.join(", "));
    [value].into_iter().chain(beside).collect()
}

fn apart(own: &SideDifference) -> String {
    let mut text = format!("Δ {}", signed_estimate(&own.estimate));
    if own.p.is_some() {
        text += &format!(", p {} ({})", probability(own.p), probability(own.holm));
    }
    text
}
