use thiserror::Error;

use crate::StudyError;

/// The reason why there is no page.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A chart that cannot be drawn.
    #[error("the chart `{chart}` cannot be drawn: {reason}")]
    Chart {
        /// Its title.
        chart: String,
        /// The error of plotters.
        reason: String,
    },
    /// Numbers that cannot be written as CSV.
    #[error("the numbers of the figure `{figure}` cannot be written")]
    Csv {
        /// The name of the figure.
        figure: String,
        /// The error of csv.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A page that cannot be filled in.
    #[error("the page cannot be filled in: {source}")]
    Page {
        /// The error of minijinja.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl From<ReportError> for StudyError {
    fn from(error: ReportError) -> Self {
        Self::Report { reason: error.to_string() }
    }
}
