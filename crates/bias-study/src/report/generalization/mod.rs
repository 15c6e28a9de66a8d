//! What the generalization protocol found, for people.

mod chart;
mod section;
mod sections;
mod splice;
mod transfers;

use comfy_table::{Cell, CellAlignment, Table};

pub use self::chart::generalization_chart;
use self::section::Section;
use self::sections::sections;
pub use self::splice::spliced;
use crate::results::Generalization;

/// The lines of a table in comfy-table's order; all others are left out.
const RULE_UNDER_HEADER: &str = "     ──            ";

/// Everything for a terminal, the claims first.
#[must_use]
pub fn generalization_tables(results: &Generalization) -> String {
    let mut out = String::new();
    for Section { title, note, header, rows, labels, .. } in sections(results) {
        out += &format!("{title}\n");
        note.lines().for_each(|line| out += &format!("  {line}\n"));
        if !rows.is_empty() {
            let mut table = Table::new();
            table.load_preset(RULE_UNDER_HEADER).set_header(header.into_iter().map(Cell::new));
            for column in table.column_iter_mut().skip(labels) {
                column.set_cell_alignment(CellAlignment::Right);
            }
            for row in rows {
                table.add_row(row);
            }
            out += &format!("{table}\n");
        }
        out.push('\n');
    }
    // Labels come from files of others: none of them may steer the terminal.
    out.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// The claims and what was found at matched damage, for a documentation page, with headings of the
/// given depth.
#[must_use]
pub fn generalization_markdown(results: &Generalization, depth: usize) -> String {
    page(results, depth, true)
}

/// All other tables, likewise.
#[must_use]
pub fn generalization_details(results: &Generalization, depth: usize) -> String {
    page(results, depth, false)
}

fn page(results: &Generalization, depth: usize, first: bool) -> String {
    let own = sections(results).into_iter().filter(|own| own.is_first == first);
    own.map(|own| part(&own, depth)).collect()
}

fn part(own: &Section, depth: usize) -> String {
    let mut out = format!("{} {}\n", "#".repeat(depth), own.title);
    own.note.lines().for_each(|line| out += &format!("\n{line}\n"));
    if !own.rows.is_empty() {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let header: Vec<String> = own.header.iter().map(|own| cell(own)).collect();
        out += &format!("\n{}|{}\n", line(header), "---|".repeat(own.header.len()));
        for row in &own.rows {
            out += &line(row.iter().map(|own| cell(own)).collect());
        }
    }
    out.push('\n');
    out
}

/// A cell of a Markdown table.
fn cell(text: &str) -> String {
    let shown = |c: char| match c {
        '|' => "\\|".to_owned(),
        '<' => "&lt;".to_owned(),
        c if c.is_control() => "\u{fffd}".to_owned(),
        c => c.into(),
    };
    text.chars().map(shown).collect()
}
