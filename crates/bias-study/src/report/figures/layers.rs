//! The places of pruned weights. The page has tables of them.

use super::plate::{Plate, table};
use crate::report::csv_table::{CsvTable, Line};
use crate::report::error::ReportError;
use crate::report::findings::Findings;
use crate::report::words::{made_from, sublayer};

/// The number of every mask's weights in each half of each layer, beside that of a random mask of
/// the same size.
pub(crate) fn layers(found: &Findings) -> Result<Option<Plate>, ReportError> {
    let mut csv = CsvTable::new(&[
        "strategy",
        "method",
        "budget",
        "made_from",
        "layer",
        "sublayer",
        "chosen",
        "expected",
        "deviation",
        "ratio",
    ]);
    for at in &found.results.locations {
        let Some(s) = found.strategies.get(at.strategy.as_str()) else { continue };
        let line = Line::new()
            .text(&s.id)
            .text(&s.method)
            .text(&s.budget.to_string())
            .text(&made_from(&s.trained_on));
        let half = sublayer(at.sublayer).to_lowercase();
        let line = line
            .count(at.layer)
            .text(&half)
            .count(at.chosen)
            .number(at.expected)
            .number(at.deviation);
        csv.push(line.number(at.chosen as f64 / at.expected));
    }
    table("layers", "Pruned weights in each half of each layer", &csv)
}
