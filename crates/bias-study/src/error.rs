use std::path::PathBuf;

use bias_attrib::AttribError;
use bias_mask::MaskError;
use bias_metrics::MetricError;
use bias_model::ModelError;
use thiserror::Error;

/// What ends a study.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StudyError {
    /// A file that cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file that cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A prompt file that cannot be used.
    #[error("{}{}: {reason}", path.display(), line.map(|l| format!(", line {l}")).unwrap_or_default())]
    Prompts {
        /// The file.
        path: PathBuf,
        /// Where in it, counted from 1.
        line: Option<u64>,
        /// What is wrong.
        reason: String,
    },
    /// A prompt that the model's template or tokenizer cannot take.
    #[error("{context} / {variation}: the prompt about {name} cannot be asked")]
    Prompt {
        /// The context.
        context: String,
        /// The variation.
        variation: String,
        /// The name.
        name: String,
        /// Why.
        #[source]
        source: Box<ModelError>,
    },
    /// Answers too few or too odd to measure.
    #[error("{context} / {variation}: the answers cannot be measured")]
    Measure {
        /// The context.
        context: String,
        /// The variation.
        variation: String,
        /// Why.
        #[source]
        source: MetricError,
    },
    /// A sentence that the model cannot be asked for.
    #[error("pair {pair}, \"{text}…\": it cannot be scored")]
    Pair {
        /// Which, from 1.
        pair: usize,
        /// How the sentence begins.
        text: String,
        /// Why.
        #[source]
        source: Box<ModelError>,
    },
    /// A model without a token that sentences could begin after.
    #[error(
        "the model has neither a token that begins a text nor one that ends an answer, so that first tokens have no probability"
    )]
    NoBeginning,
    /// A truth file beside another model.
    #[error("the truth is said of the model with fingerprint {said_of}, not of this one, {model}")]
    Truth {
        /// What the file says.
        said_of: String,
        /// The model's own.
        model: String,
    },
    /// A page that cannot be made.
    #[error("the report cannot be made: {reason}")]
    Report {
        /// What failed.
        reason: String,
    },
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// An attribution failed.
    #[error(transparent)]
    Attrib(#[from] AttribError),
    /// A mask failed.
    #[error(transparent)]
    Mask(#[from] MaskError),
    /// A statistic failed.
    #[error(transparent)]
    Metric(#[from] MetricError),
}
