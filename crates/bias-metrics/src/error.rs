//! Errors of statistics.

use thiserror::Error;

use crate::arm::Arm;

/// `None` if the error says that the number does not exist (too few names, no values, nothing that
/// varies, sums that overflow). Other errors stay errors, because they say that the input is wrong.
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
/// The error, unless it is an [absence](MetricError::is_absence).
pub fn present<T>(found: Result<T, MetricError>) -> Result<Option<T>, MetricError> {
    match found {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_absence() => Ok(None),
        Err(error) => Err(error),
    }
}

impl MetricError {
    /// Whether it says that the number does not exist, and not that the input is wrong.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        match self {
            Self::EmptyArm { .. }
            | Self::NoValues { .. }
            | Self::NotFinite { .. }
            | Self::OneClass
            | Self::TooFewNames { .. }
            | Self::TooFewUnits { .. }
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

/// The reason why a number cannot be computed.
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
        /// The weight of its answers, or the number of its names.
        weight: f64,
        /// The requirement, such as "at least 2 draws".
        needed: &'static str,
    },
    /// There is not a single value.
    #[error("there are no answers to take the {what} of; did all of them fail to parse?")]
    NoValues {
        /// The statistic.
        what: &'static str,
    },
    /// A value that is infinite or NaN, or sums that overflow.
    #[error("the {what} is not finite; look for NaN or huge answers")]
    NotFinite {
        /// The statistic.
        what: &'static str,
    },
    /// All units are of one class.
    #[error("some units must matter and some must not, to say how well scores tell them apart")]
    OneClass,
    /// A weight that is not a finite number from 0 on.
    #[error("an answer has weight {weight}; weights are finite and not negative")]
    BadWeight {
        /// The weight found.
        weight: f64,
    },
    /// A group with too few names for a test.
    #[error("arm {arm} has {names} names, needed {least}")]
    TooFewNames {
        /// The group.
        arm: Arm,
        /// The number of its names.
        names: usize,
        /// The number needed.
        least: usize,
    },
    /// Too few units of one group, such as templates, to say how far they vary.
    #[error("{units} units (names, templates, items) were found, needed {least}")]
    TooFewUnits {
        /// The number of units.
        units: usize,
        /// The number needed.
        least: usize,
    },
    /// All numbers are the same, so there is no spread to compare a difference with.
    #[error("nothing varies, so {what} says nothing; are all answers the same?")]
    Constant {
        /// The statistic.
        what: &'static str,
    },
    /// A p-value outside its range.
    #[error("a probability lies between 0 and 1, found {value}")]
    BadProbability {
        /// The value found.
        value: f64,
    },
    /// A design that cannot be planned.
    #[error("no such design: {reason}")]
    BadDesign {
        /// The reason.
        reason: String,
    },
    /// Quantiles outside their range, or in the wrong order.
    #[error("quantiles {low} and {high} must satisfy 0 ≤ low ≤ high ≤ 1")]
    BadQuantile {
        /// The lower (or only) one.
        low: f64,
        /// The upper (or only) one.
        high: f64,
    },
    /// A multiplier of the interquartile range that does not define fences.
    #[error("fences need a finite multiplier k of at least 0, found {k}")]
    BadFences {
        /// The multiplier found.
        k: f64,
    },
    /// A resample that picks a name that does not exist.
    #[error("pick {pick} does not exist: there are {names} names, counted from 0")]
    PickOutOfRange {
        /// The index picked.
        pick: usize,
        /// The number of names.
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
        /// The number of resamples without a finite value.
        dropped: usize,
        /// The number of resamples drawn.
        resamples: usize,
    },
    /// A context in which no variation has a finite effect.
    #[error(
        "none of the {variations} variations has a finite effect size; {degenerate} have no spread at all"
    )]
    NoFiniteEffect {
        /// The number of variations.
        variations: usize,
        /// The number of variations without spread.
        degenerate: usize,
    },
    /// Counts that are impossible for two masks.
    #[error(
        "matrix {matrix}: masks of {a} and {b} with {both} in common do not exist among {total} units; were they counted over the same matrix?"
    )]
    ImpossibleCounts {
        /// The index of the matrix, from 0.
        matrix: usize,
        /// The number of its units.
        total: u64,
        /// Units in the first mask.
        a: u64,
        /// Units in the second mask.
        b: u64,
        /// Units in both.
        both: u64,
    },
}
