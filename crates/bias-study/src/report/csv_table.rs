//! CSV in which a spreadsheet reads numbers as numbers and labels as text.

use bias_types::prompt::Context;

use super::error::ReportError;
use crate::results::Estimate;

/// The numbers of one figure as a table.
#[derive(Debug)]
pub(crate) struct CsvTable {
    header: Vec<&'static str>,
    lines: Vec<Line>,
}

/// One row of it, cell by cell.
#[derive(Debug, Default)]
pub(crate) struct Line(Vec<String>);

impl CsvTable {
    pub(crate) fn new(header: &[&'static str]) -> Self {
        Self { header: header.to_vec(), lines: Vec::new() }
    }

    pub(crate) fn push(&mut self, line: Line) {
        self.lines.push(line);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The content of the file.
    ///
    /// # Errors
    /// A row with more or fewer cells than the header.
    pub(crate) fn to_csv(&self, figure: &str) -> Result<String, ReportError> {
        let failed =
            |source: csv::Error| ReportError::Csv { figure: figure.into(), source: source.into() };
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&self.header).map_err(failed)?;
        for Line(cells) in &self.lines {
            writer.write_record(cells).map_err(failed)?;
        }
        let bytes = writer.into_inner().map_err(|e| failed(e.into_error().into()))?;
        let invalid = |e| failed(std::io::Error::new(std::io::ErrorKind::InvalidData, e).into());
        String::from_utf8(bytes).map_err(invalid)
    }
}

impl Line {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a label. If a spreadsheet would run it as a formula, an apostrophe is put in front.
    pub(crate) fn text(mut self, label: &str) -> Self {
        self.0.push(harmless(label));
        self
    }

    pub(crate) fn context(self, context: &Context) -> Self {
        self.text(context.as_str())
    }

    /// Adds a number, or an empty cell if it could not be computed.
    pub(crate) fn number(mut self, value: impl Into<Option<f64>>) -> Self {
        let value = value.into().filter(|v| v.is_finite());
        self.0.push(value.map_or(String::new(), |v| v.to_string()));
        self
    }

    pub(crate) fn count(mut self, value: usize) -> Self {
        self.0.push(value.to_string());
        self
    }

    /// Adds the lower and the upper end.
    pub(crate) fn interval(self, ends: Option<[f64; 2]>) -> Self {
        let [low, high] = ends.map_or([None; 2], |ends| ends.map(Some));
        self.number(low).number(high)
    }

    /// Adds a number and its ends: three cells.
    pub(crate) fn estimate(self, estimate: &Estimate) -> Self {
        self.number(estimate.value).interval(estimate.interval)
    }
}

fn harmless(label: &str) -> String {
    let starts = label.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    let label: String = label.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if starts { format!("'{label}") } else { label }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_no_formulas_and_numbers_stay_numbers() {
        let mut csv = CsvTable::new(&["label", "value", "low", "high"]);
        for label in ["=1+1", " @x", "+1", "-1", "\t=2", "a=b", "two\nlines, \"quoted\""] {
            csv.push(Line::new().text(label).number(-0.5).interval(Some([-1.0, f64::NAN])));
        }
        let csv = csv.to_csv("t").unwrap();
        let lines: Vec<&str> = csv.lines().collect();
        let labels =
            ["'=1+1", "' @x", "'+1", "'-1", "' =2", "a=b", "\"two lines, \"\"quoted\"\"\""];
        for (line, label) in lines.iter().skip(1).zip(labels) {
            assert_eq!(*line, format!("{label},-0.5,-1,"));
        }
        assert_eq!(lines.len(), labels.len() + 1);
    }

    #[test]
    fn a_row_that_does_not_fit_is_refused() {
        let mut csv = CsvTable::new(&["a", "b"]);
        csv.push(Line::new().count(1));
        assert!(matches!(csv.to_csv("t"), Err(ReportError::Csv { .. })));
    }
}
