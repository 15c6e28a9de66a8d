//! Errors of selecting from scores, and of applying and keeping masks.

use std::path::PathBuf;

use bias_probe::ProbeError;
use bias_types::{ParamPath, TypesError, UnitKind};
use thiserror::Error;

/// An error of a mask or of its use.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MaskError {
    /// The model has no such parameter, or it is not a matrix.
    #[error("the model has no matrix named {path}; was the mask made for another model?")]
    NoSuchParam {
        /// The parameter.
        path: ParamPath,
    },
    /// A matrix of another shape than the mask's.
    #[error("{path}: expected shape {expected:?}, found {found:?}")]
    ShapeMismatch {
        /// The parameter.
        path: ParamPath,
        /// `[out, in]` that was needed.
        expected: [usize; 2],
        /// `[out, in]` that was there.
        found: [usize; 2],
    },
    /// A mask and a model, or two masks, that belong to different weights.
    #[error("the mask was made for weights {expected} and cannot be used with weights {found}")]
    OtherModel {
        /// SHA-256 of the weights the mask was made for.
        expected: String,
        /// SHA-256 of the others.
        found: String,
    },
    /// A mask that does not say which weights it was made for, where it must.
    #[error(
        "the mask does not say which weights it was made for; if it was made for {model}, \
         tie it to them first (`Mask::for_model`, `prune --any-model`)"
    )]
    NoModel {
        /// SHA-256 of the model's weights.
        model: String,
    },
    /// A position beyond the matrix.
    #[error("index {index} is outside a matrix of shape {shape:?}")]
    IndexOutOfRange {
        /// The index.
        index: usize,
        /// `[out, in]`
        shape: [usize; 2],
    },
    /// A shape whose size overflows.
    #[error("a matrix of shape {shape:?} cannot be counted")]
    TooLarge {
        /// `[out, in]`
        shape: [usize; 2],
    },
    /// A share outside [0, 1].
    #[error("the fraction {fraction} is outside 0..=1")]
    Fraction {
        /// The share asked for.
        fraction: f64,
    },
    /// A scale that is NaN or infinite.
    #[error("weights cannot be scaled by {factor}")]
    Factor {
        /// The factor asked for.
        factor: f32,
    },
    /// A matrix without means.
    #[error("{path}: no means of its inputs were given")]
    MissingMeans {
        /// The parameter.
        path: ParamPath,
    },
    /// A mean that is NaN or infinite.
    #[error("{path}: the mean of input {channel} is {mean}")]
    Mean {
        /// The parameter.
        path: ParamPath,
        /// The input channel.
        channel: usize,
        /// Its mean.
        mean: f64,
    },
    /// A bias that the model gives no access to.
    #[error(
        "{path}: this model's biases cannot be reached; implement MaskTarget::bias and set_bias, or zero the weights"
    )]
    BiasOutOfReach {
        /// The parameter.
        path: ParamPath,
    },
    /// No directions, or directions that do not fill their shape.
    #[error("{path}: {found} values are not {rank} directions of {channels} channels", channels = shape[0], rank = shape[1])]
    Basis {
        /// The parameter.
        path: ParamPath,
        /// `[channels, rank]`
        shape: [usize; 2],
        /// Number of values given.
        found: usize,
    },
    /// Directions that are not at right angles, or not of length 1.
    #[error(
        "{path}: the product of directions {} and {} is {product}; make them orthonormal, for example by a QR decomposition",
        pair[0], pair[1]
    )]
    NotOrthonormal {
        /// The parameter.
        path: ParamPath,
        /// The two directions, from 0.
        pair: [usize; 2],
        /// Their product.
        product: f64,
    },
    /// Groups whose difference cannot be taken off.
    #[error("no concept can be edited: {reason}")]
    Concept {
        /// Why.
        reason: String,
    },
    /// A strength that is no share of a change.
    #[error("the strength {strength} is outside 0..=1, where 0 changes nothing and 1 everything")]
    Strength {
        /// The strength asked for.
        strength: f64,
    },
    /// A change that is not among those made to the model.
    #[error(
        "there is no such change in place; was it removed before, or made by another `Changes`?"
    )]
    NoSuchChange,
    /// More weights than there are.
    #[error("asked to select {count} of {available} weights")]
    Count {
        /// Number of weights asked for.
        count: usize,
        /// Number of weights that exist.
        available: usize,
    },
    /// A score that cannot be ranked.
    #[error("{path}: the score at index {index} is NaN; nothing can be selected from it")]
    NanScore {
        /// The parameter.
        path: ParamPath,
        /// Flat row-major index.
        index: usize,
    },
    /// Scores of a convention that this selection would read the wrong way round.
    #[error("{path}: {needs}, but the scores' convention is {found}")]
    Convention {
        /// The parameter.
        path: ParamPath,
        /// What the selection needs.
        needs: &'static str,
        /// The scores' convention.
        found: &'static str,
    },
    /// No scores to select from.
    #[error("no scores were given; at least one matrix is needed")]
    NoScores,
    /// A matrix that was given twice.
    #[error("{path} is given twice")]
    Duplicate {
        /// The parameter.
        path: ParamPath,
    },
    /// A unit's sum that lacks a matrix.
    #[error(
        "{path}: there are no scores of this matrix, which the score of a {kind} is summed from"
    )]
    MissingScores {
        /// The parameter.
        path: ParamPath,
        /// The kind of unit.
        kind: UnitKind,
    },
    /// A kind of unit that scores cannot be summed to.
    #[error("scores are already those of each {kind}; select from them as they are")]
    NotSummed {
        /// The kind of unit.
        kind: UnitKind,
    },
    /// More weights to choose from a block than it holds, or an empty block.
    #[error("{n} of every {m} weights cannot be chosen")]
    Block {
        /// Weights to choose from each block.
        n: usize,
        /// Length of a block.
        m: usize,
    },
    /// Values that should be one per channel of a matrix.
    #[error("{path}: {expected} channels need a value each, found {found}")]
    Channels {
        /// The parameter.
        path: ParamPath,
        /// Number of channels.
        expected: usize,
        /// Number of values given.
        found: usize,
    },
    /// No mask to combine.
    #[error("no mask was given; at least one is needed")]
    NoMasks,
    /// A file that could not be read or written.
    #[error("cannot access {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file that is not a mask.
    #[error("{} is not a mask file: {reason}", path.display())]
    NotAMask {
        /// The file.
        path: PathBuf,
        /// Why it is none.
        reason: String,
    },
    /// Weights that are read from a file on demand, and that could not be read.
    #[error("{path} could not be read")]
    Weights {
        /// The parameter.
        path: ParamPath,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A change that failed half way and could not be taken back.
    #[error("the model is left changed: {failed}; taking back what was done until then failed too")]
    NotReverted {
        /// Why the change failed.
        failed: Box<MaskError>,
        /// Why it could not be taken back.
        #[source]
        source: Box<MaskError>,
    },
    /// Weights that could not be read back from the device.
    #[error("{path}: reading the weights back failed: {reason}")]
    Readback {
        /// The parameter.
        path: ParamPath,
        /// burn's message.
        reason: String,
    },
    /// Weights that the model cannot read or identify.
    #[error(transparent)]
    Probe(ProbeError),
    /// An error of a model that is implemented outside these crates.
    #[error("a model from outside these crates failed")]
    Outside {
        /// Its own error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A name or size of the shared vocabulary was wrong.
    #[error(transparent)]
    Core(#[from] TypesError),
}

impl From<ProbeError> for MaskError {
    /// A matrix that the model lacks becomes [`MaskError::NoSuchParam`], so that there is one error
    /// for it.
    fn from(error: ProbeError) -> Self {
        match error {
            ProbeError::NoSuchParam { path } => Self::NoSuchParam { path },
            error => Self::Probe(error),
        }
    }
}

impl MaskError {
    /// An outside model's own error, as the source of this one.
    ///
    /// ```
    /// use bias_mask::MaskError;
    ///
    /// let error = MaskError::outside("the weights' server does not answer");
    /// assert!(std::error::Error::source(&error).is_some());
    /// ```
    #[must_use]
    pub fn outside(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Outside { source: source.into() }
    }
}
