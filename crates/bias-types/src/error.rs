//! Errors about names, indices and sizes.

use thiserror::Error;

/// A name, an index or a size that the vocabulary refuses.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TypesError {
    /// A text is not the name of any known thing of its kind.
    #[error("`{text}` is not a {kind}; expected {expected}")]
    Parse {
        /// The kind of thing that was read ("site", "parameter path", …).
        kind: &'static str,
        /// The text found.
        text: String,
        /// The expected form.
        expected: &'static str,
    },
    /// An index lies beyond the model's size.
    #[error("{what} {index} does not exist: the model has {count}, counted from 0")]
    OutOfRange {
        /// The things that the index counts ("layer", "head", …).
        what: &'static str,
        /// The index asked for.
        index: usize,
        /// The number of these things in the model.
        count: usize,
    },
    /// Model sizes that do not fit together.
    #[error("impossible model sizes: {reason}")]
    Dims {
        /// Which sizes they are, and why they do not fit.
        reason: String,
    },
    /// A score matrix whose values do not fill its shape.
    #[error("{path}: shape {shape:?} needs {expected} scores, found {found}", expected = shape[0].saturating_mul(shape[1]))]
    ScoreCount {
        /// The parameter scored.
        path: String,
        /// Its `[out, in]` shape.
        shape: [usize; 2],
        /// The number of values given.
        found: usize,
    },
}
