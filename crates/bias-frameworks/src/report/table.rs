use std::fmt::Write as _;

use bias_metrics::inference::Interval;

use super::results::{Change, Estimate, FrameworkResult, Measure, Report};
use crate::measures::statistic::Unit;

impl Report {
    /// A table for people: one line for each measure.
    #[must_use]
    pub fn table(&self) -> String {
        let mut rows = vec![self.header()];
        for framework in &self.frameworks {
            rows.push(vec![title(framework)]);
            rows.extend(framework.measures.iter().map(|own| self.row(own)));
        }
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let own = rows.iter().filter(|row| row.len() > 1).filter_map(|row| row.get(column));
            own.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &rows {
            if let [title] = &row[..] {
                let _ = writeln!(text, "{title}");
                continue;
            }
            let mut line = String::new();
            for (i, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let gap = " ".repeat(width - cell.chars().count());
                let _ = match i {
                    0 => write!(line, "  {cell}{gap}"),
                    _ => write!(line, "  {gap}{cell}"),
                };
            }
            let _ = writeln!(text, "{}", line.trim_end());
        }
        text
    }

    fn header(&self) -> Vec<String> {
        let usual = ["", "items", "clusters", "value [95 %]", "unbiased", "p", "p (Holm)"];
        let later = ["with the mask", "change [95 %]", "p of change", "(Holm)"];
        let later = later.iter().filter(|_| self.mask.is_some());
        usual.iter().chain(later).map(|own| (*own).to_owned()).collect()
    }

    fn row(&self, own: &Measure) -> Vec<String> {
        let name = match &own.subset {
            // A file's own words must not steer the terminal.
            Some(subset) => format!("{}, {}", own.name, subset.escape_debug()),
            None => own.name.clone(),
        };
        let mut row = vec![
            name,
            own.items.to_string(),
            own.clusters.to_string(),
            estimate(own.unit, &own.before),
            match (own.unbiased, own.chance) {
                (Some(value), _) => number(own.unit, value, false),
                (None, Some(value)) => format!("chance {}", number(own.unit, value, false)),
                (None, None) => String::new(),
            },
            probability(own.before.p),
            probability(own.before.p_holm),
        ];
        if self.mask.is_some() {
            row.push(own.after.as_ref().map_or_else(none, |after| estimate(own.unit, after)));
            row.push(own.change.as_ref().map_or_else(none, |change| changed(own.unit, change)));
            row.push(own.change.as_ref().map_or_else(String::new, |own| probability(own.p)));
            row.push(own.change.as_ref().map_or_else(String::new, |own| probability(own.p_holm)));
        }
        row
    }
}

fn none() -> String {
    "–".into()
}

fn title(own: &FrameworkResult) -> String {
    format!("{} ({} of {} items)", own.framework, own.scored, own.items)
}

fn number(unit: Unit, value: f64, signed: bool) -> String {
    let own = match unit {
        Unit::Share => format!("{:.1}%", 100.0 * value),
        Unit::Signed => format!("{value:.3}"),
        Unit::Nats | Unit::Number => format!("{value:.3}"),
    };
    let own = if signed && value >= 0.0 { format!("+{own}") } else { own };
    own.replace('-', "−")
}

fn within(unit: Unit, value: Option<f64>, interval: Option<&Interval>, signed: bool) -> String {
    let Some(value) = value else { return none() };
    let ends = interval.map(|own| {
        format!(" [{}..{}]", number(unit, own.low, false), number(unit, own.high, false))
    });
    format!("{}{}", number(unit, value, signed), ends.unwrap_or_default())
}

fn estimate(unit: Unit, own: &Estimate) -> String {
    within(unit, own.value, own.interval.as_ref(), false)
}

fn changed(unit: Unit, own: &Change) -> String {
    within(unit, own.difference, own.interval.as_ref(), true)
}

fn probability(p: Option<f64>) -> String {
    match p {
        None => String::new(),
        Some(p) if p < 0.001 => "<0.001".into(),
        Some(p) => format!("{p:.3}"),
    }
}
