//! What keeps a number from being computed.

use thiserror::Error;

use crate::arm::Arm;

/// `None` where an error says that there is no such number (too few names, no values, nothing that
/// varies, sums that overflow); other errors stay errors, because they say that something is wrong
/// with what was handed over.
///
/// ```
/// use bias_metrics::error::present;
/// use bias_metrics::{Arm, NameMoments, Weighting, smd};
///
/// let nobody = smd(&[NameMoments::empty(Arm::A), NameMoments::empty(Arm::B)], Weighting::Probability);
/// assert_eq!(present(nobody), Ok(None));
/// let odd = NameMoments { weight: -1.0, ..NameMoments::empty(Arm::A) };
/// assert!(present(smd(&[odd], Weighting::Probability)).is_err());
/// ```
///
/// # Errors
/// The error, if it is no [absence](MetricError::is_absence).
pub fn present<T>(found: Result<T, MetricError>) -> Result<Option<T>, MetricError> {
    match found {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_absence() => Ok(None),
        Err(error) => Err(error),
    }
}

impl MetricError {
    /// Whether it says that there is no such number, and not that something is wrong with what was
    /// handed over.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        match self {
            Self::EmptyArm { .. }
            | Self::NoValues { .. }
            | Self::NotFinite { .. }
            | Self::OneClass
            | Self::TooFewNames { .. }
            | Self::Constant { .. }
            | Self::Unstable { .. }
            | Self::NoFiniteEffect { .. } => true,
            Self::BadWeight { .. }
            | Self::BadProbability { .. }
            | Self::BadDesign { .. }
            | Self::BadQuantile { .. }
            | Self::BadFences { .. }
            | Self::PickOutOfRange { .. }
            | Self::BadLevel { .. }
            | Self::BadResamples { .. }
            | Self::ImpossibleCounts { .. } => false,
        }
    }
}

/// What keeps a number from being computed.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum MetricError {
    /// A group without enough answers to compare.
    #[error(
        "arm {arm} has answers of total weight {weight}, needed {needed}; did its answers fail to parse?"
    )]
    EmptyArm {
        /// The group.
        arm: Arm,
        /// The weight of its answers, or how many names it has.
        weight: f64,
        /// What was needed, such as "at least 2 draws".
        needed: &'static str,
    },
    /// Not a single value to work on.
    #[error("there are no answers to take the {what} of; did all of them fail to parse?")]
    NoValues {
        /// What was to be computed.
        what: &'static str,
    },
    /// A value that is infinite or not a number, or sums that overflow.
    #[error("the {what} is not finite; look for NaN or huge answers")]
    NotFinite {
        /// What was being computed.
        what: &'static str,
    },
    /// Nothing to tell apart.
    #[error("some units must matter and some must not, to say how well scores tell them apart")]
    OneClass,
    /// A weight that cannot count anything.
    #[error("an answer has weight {weight}; weights are finite and not negative")]
    BadWeight {
        /// The weight found.
        weight: f64,
    },
    /// A group of too few names for a test.
    #[error("arm {arm} has {names} names, needed {least}")]
    TooFewNames {
        /// The group.
        arm: Arm,
        /// How many it has.
        names: usize,
        /// How many are needed.
        least: usize,
    },
    /// Numbers that are all the same, so that no difference can be held against their spread.
    #[error("nothing varies, so {what} says nothing; are all answers the same?")]
    Constant {
        /// What was to be computed.
        what: &'static str,
    },
    /// A p-value that is none.
    #[error("a probability lies between 0 and 1, found {value}")]
    BadProbability {
        /// The value found.
        value: f64,
    },
    /// A design that cannot be planned with.
    #[error("no such design: {reason}")]
    BadDesign {
        /// What is impossible.
        reason: String,
    },
    /// Quantiles that are no quantiles.
    #[error("quantiles {low} and {high} must satisfy 0 ≤ low ≤ high ≤ 1")]
    BadQuantile {
        /// The lower (or only) one.
        low: f64,
        /// The upper (or only) one.
        high: f64,
    },
    /// A multiplier of the interquartile range that gives no fences.
    #[error("fences need a finite multiplier k of at least 0, found {k}")]
    BadFences {
        /// The multiplier found.
        k: f64,
    },
    /// A resample that names an absent name.
    #[error("pick {pick} does not exist: there are {names} names, counted from 0")]
    PickOutOfRange {
        /// The index picked.
        pick: usize,
        /// How many names there are.
        names: usize,
    },
    /// A confidence level outside (0, 1).
    #[error("a confidence level lies strictly between 0 and 1, found {level}; write 95 % as 0.95")]
    BadLevel {
        /// The level found.
        level: f64,
    },
    /// Too few resamples for an interval.
    #[error("{resamples} resamples give no interval; 2000 are usual, 2 the least")]
    BadResamples {
        /// The number asked for.
        resamples: usize,
    },
    /// A statistic that is undefined on most resamples.
    #[error(
        "the statistic was undefined on {dropped} of {resamples} resamples, so an interval of the rest would mislead; use more names"
    )]
    Unstable {
        /// Resamples without a finite value.
        dropped: usize,
        /// Resamples drawn.
        resamples: usize,
    },
    /// A context none of whose variations has a finite effect.
    #[error(
        "none of the {variations} variations has a finite effect size; {degenerate} have no spread at all"
    )]
    NoFiniteEffect {
        /// Variations given.
        variations: usize,
        /// Those without spread.
        degenerate: usize,
    },
    /// Counts that no two masks can have.
    #[error(
        "matrix {matrix}: masks of {a} and {b} with {both} in common do not exist among {total} units; were they counted over the same matrix?"
    )]
    ImpossibleCounts {
        /// Which matrix, counted from 0.
        matrix: usize,
        /// Units it has.
        total: u64,
        /// Units in the first mask.
        a: u64,
        /// Units in the second mask.
        b: u64,
        /// Units in both.
        both: u64,
    },
}
