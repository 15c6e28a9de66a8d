use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF as _, StudentsT};

use crate::effect::sample::{Sample, both};
use crate::error::MetricError;

/// A comparison of two means without the assumption of equal variances (Welch 1947).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Welch {
    /// mean_A − mean_B.
    pub difference: f64,
    /// The difference over its standard error.
    pub t: f64,
    /// Degrees of freedom (Satterthwaite 1946).
    pub degrees: f64,
    /// Two-sided.
    pub p: f64,
}

/// Welch's test on one number per name, such as the name's mean answer.
///
/// # Errors
/// [`MetricError::TooFewNames`] below two names in a group, [`MetricError::NotFinite`],
/// [`MetricError::Constant`] where neither group varies.
pub fn welch(a: &[f64], b: &[f64]) -> Result<Welch, MetricError> {
    let [a, b] = both(a, b, 2)?;
    let part = |s: &Sample| s.variance / s.count;
    let (of_a, of_b) = (part(&a), part(&b));
    let error = (of_a + of_b).sqrt();
    if error == 0.0 {
        return Err(MetricError::Constant { what: "Welch's test" });
    }
    let (difference, degrees) = (a.mean - b.mean, {
        (of_a + of_b).powi(2) / (of_a.powi(2) / (a.count - 1.0) + of_b.powi(2) / (b.count - 1.0))
    });
    let t = difference / error;
    let student = StudentsT::new(0.0, 1.0, degrees)
        .map_err(|_| MetricError::NotFinite { what: "degrees of freedom" })?;
    Ok(Welch { difference, t, degrees, p: (2.0 * student.cdf(-t.abs())).min(1.0) })
}
