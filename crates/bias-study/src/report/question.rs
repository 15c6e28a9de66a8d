//! A table with an explanation.

use super::csv_table::CsvTable;
use super::error::ReportError;

/// One question and its answer.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Question {
    /// The name of its file.
    pub name: &'static str,
    pub title: String,
    /// How to read the table.
    pub note: String,
    pub header: Vec<&'static str>,
    /// The cells as text. The first ones are labels.
    pub rows: Vec<Vec<String>>,
    pub labels: usize,
    #[serde(skip)]
    pub(super) csv: CsvTable,
}

impl Question {
    /// Its numbers as CSV.
    pub(crate) fn csv(&self) -> Result<String, ReportError> {
        self.csv.to_csv(self.name)
    }
}
