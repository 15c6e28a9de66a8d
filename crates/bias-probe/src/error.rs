//! Errors of a model that runs with an observer, and of the files that observers keep.

use std::path::PathBuf;

use bias_types::{ParamPath, Site, TypesError};
use thiserror::Error;

/// An error of a model that runs with an observer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// A batch with nothing in it.
    #[error("the batch holds no tokens; give it at least one sequence with at least one token")]
    EmptyBatch,
    /// A sequence whose parts do not fit together.
    #[error("sequence {row}: {reason}")]
    BadSequence {
        /// Which sequence of the batch.
        row: usize,
        /// Why they do not fit.
        reason: String,
    },
    /// A token id beyond the embedding.
    #[error(
        "token id {token} is outside the model's vocabulary of {vocab}; was the text encoded with another tokenizer?"
    )]
    TokenOutOfRange {
        /// The id.
        token: u32,
        /// Rows of the embedding.
        vocab: usize,
    },
    /// More positions than the model was made for.
    #[error(
        "position {position} is beyond the model's context of {limit} tokens; shorten the prompt"
    )]
    ContextOverflow {
        /// The position asked for.
        position: usize,
        /// Positions the model has.
        limit: usize,
    },
    /// A batch whose parts cannot be numbered.
    #[error(
        "a batch of {rows} rows, {width} tokens each, and {heads} heads is too large to index; \
         run fewer rows at a time"
    )]
    BatchTooLarge {
        /// Sequences in the batch.
        rows: usize,
        /// Tokens per row.
        width: usize,
        /// Attention heads.
        heads: usize,
    },
    /// Sites that were asked for and never reached.
    #[error("asked for {} that the forward pass never reached: {}", count(sites.len()), list(sites))]
    NeverFired {
        /// The sites.
        sites: Vec<Site>,
    },
    /// A site that cannot be patched from: the capture does not hold it as
    /// `[batch, seq, channels]`.
    #[error("{site} was not captured, or is of attention: capture it in the run to patch from")]
    NotCaptured {
        /// The site.
        site: Site,
    },
    /// A group number beyond the groups there are.
    #[error("group {group} does not exist; statistics were asked for {groups} groups")]
    NoSuchGroup {
        /// The number.
        group: usize,
        /// Groups that exist.
        groups: usize,
    },
    /// A file that does not hold statistics.
    #[error("{} does not hold activation statistics: {reason}", path.display())]
    NotStatistics {
        /// The file.
        path: PathBuf,
        /// Why it is none.
        reason: String,
    },
    /// An observer gave back a tensor of another shape.
    #[error(
        "{site}: an observer replaced a tensor of shape {expected:?} by one of shape {found:?}"
    )]
    ShapeChanged {
        /// Where.
        site: Site,
        /// The shape that was handed out.
        expected: Vec<usize>,
        /// The shape that came back.
        found: Vec<usize>,
    },
    /// The model has no such parameter, or it is not a matrix.
    #[error("the model has no matrix named {path}")]
    NoSuchParam {
        /// The name asked for.
        path: ParamPath,
    },
    /// No gradient reached a parameter.
    #[error("no gradient reached {path}; is it part of the loss?")]
    NoGradient {
        /// The parameter.
        path: ParamPath,
    },
    /// A loss that differed when it was evaluated again.
    #[error(
        "the loss did not unembed the same activations when it was evaluated a second time; \
         it must compute the same each time"
    )]
    UnlikeLoss,
    /// Weights that the model reads while it runs, and that could not be read.
    #[error("the model's weights could not be read")]
    Weights {
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A model whose fingerprint cannot be computed, for example because its files changed.
    #[error("the model's weights cannot be identified")]
    Fingerprint {
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An activation that is NaN or infinite, so that no statistic of it means anything.
    #[error("{site}: an activation is NaN or infinite; check the checkpoint's weights")]
    NotFinite {
        /// Where it was seen.
        site: Site,
    },
    /// Statistics that cannot be merged.
    #[error(
        "statistics of {left} and {right} sites were collected differently and cannot be merged"
    )]
    Mismatch {
        /// Sites on one side.
        left: usize,
        /// Sites on the other.
        right: usize,
    },
    /// No sequence in what was observed had both a name and an answer.
    #[error("no observed sequence has both name and answer tokens; set the token roles")]
    NoNameOrAnswer,
    /// Tensor data that could not be read back from the device.
    #[error("{site}: reading the activation back failed: {reason}")]
    Readback {
        /// Where.
        site: Site,
        /// burn's message.
        reason: String,
    },
    /// A file could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// An error of a model or an observer that is implemented outside these crates.
    #[error("a model or observer from outside these crates failed")]
    Outside {
        /// Its own error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A name or size of the shared vocabulary was wrong.
    #[error(transparent)]
    Core(#[from] TypesError),
}

impl ProbeError {
    /// An outside model's or observer's own error, as the source of this one.
    ///
    /// ```
    /// use bias_probe::ProbeError;
    ///
    /// let error = ProbeError::outside("the weights' server does not answer");
    /// assert!(std::error::Error::source(&error).is_some());
    /// ```
    #[must_use]
    pub fn outside(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Outside { source: source.into() }
    }
}

fn count(n: usize) -> String {
    if n == 1 { "a site".into() } else { format!("{n} sites") }
}

fn list(sites: &[Site]) -> String {
    sites.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
