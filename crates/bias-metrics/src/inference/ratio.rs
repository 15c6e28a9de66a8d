use statrs::distribution::{ContinuousCDF as _, StudentsT};

use super::bootstrap::Interval;
use crate::error::MetricError;

/// The coverage of the interval.
const LEVEL: f64 = 0.95;

/// The 95 % interval of a ratio of sums `Σ y / Σ x` over few units `[x, y]`, such as contexts: the
/// linearised variance of the ratio estimator (Cochran 1977, *Sampling Techniques*, section 6.4)
/// with Student's t of one less than the number of units. Use it where a bootstrap over so few
/// units would not reach beyond them.
///
/// ```
/// use bias_metrics::inference::ratio_interval;
///
/// let found = ratio_interval(&[[1.6, 0.1], [1.6, 0.5], [1.5, 0.4], [1.6, 0.2]])?;
/// assert!(found.low < 1.2 / 6.3 && 1.2 / 6.3 < found.high);
/// # Ok::<(), bias_metrics::MetricError>(())
/// ```
///
/// # Errors
/// [`MetricError::TooFewUnits`] below two units; [`MetricError::NotFinite`] for numbers that are
/// not finite, or a sum of `x` that is 0.
pub fn ratio_interval(units: &[[f64; 2]]) -> Result<Interval, MetricError> {
    if units.len() < 2 {
        return Err(MetricError::TooFewUnits { units: units.len(), least: 2 });
    }
    let n = units.len() as f64;
    let sum = |i: usize| units.iter().map(|own| own[i]).sum::<f64>();
    let ratio = sum(1) / sum(0);
    let squares = units.iter().map(|[x, y]| (y - ratio * x).powi(2)).sum::<f64>();
    let error = (n / (n - 1.0) * squares).sqrt() / sum(0).abs();
    let student = StudentsT::new(0.0, 1.0, n - 1.0).ok();
    let half = student.map(|own| own.inverse_cdf(f64::midpoint(LEVEL, 1.0)) * error);
    let half = half.filter(|own| (ratio + own).is_finite());
    let half = half.ok_or(MetricError::NotFinite { what: "ratio of sums" })?;
    Ok(Interval { low: ratio - half, high: ratio + half, level: LEVEL, dropped: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against scipy 1.17: `r ± t.ppf(0.975, n − 1) · sqrt(n / (n − 1) · Σ (y − r x)²) / Σ x`.
    #[test]
    fn few_units_make_a_wide_interval() {
        let near = |own: Result<Interval, MetricError>, low: f64, high: f64| {
            let own = own.unwrap();
            assert!((own.low - low).abs() < 1e-9 && (own.high - high).abs() < 1e-9, "{own:?}");
        };
        near(
            ratio_interval(&[[1.6, 0.1], [1.6, 0.5], [1.5, 0.4]]),
            -0.12323085079933668,
            0.5487627656929537,
        );
        near(ratio_interval(&[[1.0, 0.3], [2.0, 0.5]]), -0.015693438581659835, 0.5490267719149932);
        // Units that are all alike leave no doubt.
        near(ratio_interval(&[[1.0, 0.5], [3.0, 1.5]]), 0.5, 0.5);
    }

    #[test]
    fn what_has_no_ratio_is_refused() {
        let few = ratio_interval(&[[1.0, 0.5]]);
        assert!(matches!(few, Err(MetricError::TooFewUnits { units: 1, least: 2 })));
        for bad in [[[1.0, 0.5], [-1.0, 0.5]], [[f64::NAN, 0.5], [1.0, 0.5]]] {
            assert!(matches!(ratio_interval(&bad), Err(MetricError::NotFinite { .. })));
        }
    }
}
