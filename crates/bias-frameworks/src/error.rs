//! Errors of reading and scoring.

use std::path::PathBuf;

use bias_ask::AskError;
use bias_metrics::MetricError;
use thiserror::Error;

use crate::framework::Framework;

/// An error between a file and its metrics.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FrameworkError {
    /// A file that cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// A file that is not of its framework, or not whole.
    #[error("{}{}: {reason}", path.display(), at(*line))]
    Schema {
        /// The file.
        path: PathBuf,
        /// The line, from 1, if it is known.
        line: Option<u64>,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A file of another framework.
    #[error(
        "{} is no file of {expected} ({reason}); it looks like one of {found}: pass it with --{}", path.display(), found.key()
    )]
    OtherFramework {
        /// The file.
        path: PathBuf,
        /// The framework that it was read for.
        expected: Framework,
        /// The one that it looks like.
        found: Framework,
        /// Why it cannot be read as the first.
        reason: String,
    },
    /// Questions about names that cannot be made.
    #[error("names cannot be recognised: {reason}")]
    Names {
        /// The reason.
        reason: String,
    },
    /// An item whose texts cannot be encoded.
    #[error("{framework}, item {item}")]
    Item {
        /// The framework.
        framework: Framework,
        /// The item.
        item: String,
        /// The reason.
        #[source]
        source: AskError,
    },
    /// A model that fails.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// A statistic that fails.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// A table that cannot be written.
    #[error(transparent)]
    Table(#[from] csv::Error),
}

fn at(line: Option<u64>) -> String {
    line.map_or_else(String::new, |line| format!(", line {line}"))
}
