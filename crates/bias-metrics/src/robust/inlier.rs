use serde::{Deserialize, Serialize};

use super::quantile::weighted_quantiles;
use crate::effect::values::{NameAnswers, pooled};
use crate::error::MetricError;

/// The range of ordinary answers: \[Q1 − k·IQR, Q3 + k·IQR\] (Tukey 1977).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TukeyFences {
    /// The lowest ordinary answer.
    pub low: f64,
    /// The highest ordinary answer.
    pub high: f64,
}

impl TukeyFences {
    /// Fences around the parsed answers of all names to one variation, given by the *unpruned*
    /// model. k = 1.5 is usual. Quartiles as in
    /// [`weighted_quantile`](crate::robust::weighted_quantile).
    ///
    /// If half of the answers agree, the fences shrink to that one value.
    ///
    /// # Errors
    /// [`MetricError::BadFences`] for a negative or infinite `k`,
    /// [`MetricError::NoValues`], [`MetricError::NotFinite`], [`MetricError::BadWeight`].
    pub fn of(answers: &[NameAnswers], k: f64) -> Result<Self, MetricError> {
        if !k.is_finite() || k < 0.0 {
            return Err(MetricError::BadFences { k });
        }
        let [q1, q3] = weighted_quantiles(&pooled(answers), [0.25, 0.75])?;
        let reach = k * (q3 - q1);
        let fences = Self { low: q1 - reach, high: q3 + reach };
        if fences.low.is_finite() && fences.high.is_finite() {
            Ok(fences)
        } else {
            Err(MetricError::NotFinite { what: "range of ordinary answers" })
        }
    }

    /// Whether a value lies between the fences, ends included.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// One name's `(weight inside the fences, weight that counts)`.
///
/// Parsed and unparsed answers count; unexplored probability does not. Sum both over names (or over
/// resampled names) before dividing.
#[must_use]
pub fn inlier_share(answers: &NameAnswers, fences: &TukeyFences) -> (f64, f64) {
    let inside = answers.values.iter().filter(|v| fences.contains(v.0)).map(|v| v.1).sum();
    (inside, answers.parsed() + answers.unparsed)
}

/// Inlier ratio: the weight of answers that parse to a number within the fences, over
/// the weight of all answers.
///
/// Compare it with the unpruned model's own ratio, which is also below 1.
///
/// # Errors
/// [`MetricError::NoValues`] without any answer, [`MetricError::NotFinite`].
pub fn inlier_ratio(answers: &[NameAnswers], fences: &TukeyFences) -> Result<f64, MetricError> {
    let add = |sum: (f64, f64), one: (f64, f64)| (sum.0 + one.0, sum.1 + one.1);
    let (inside, total) = answers.iter().map(|a| inlier_share(a, fences)).fold((0.0, 0.0), add);
    if total == 0.0 {
        return Err(MetricError::NoValues { what: "inlier ratio" });
    }
    let ratio = inside / total;
    if ratio.is_finite() { Ok(ratio) } else { Err(MetricError::NotFinite { what: "inlier ratio" }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::Arm;

    fn name(values: &[(f64, f64)], unparsed: f64, unexplored: f64) -> NameAnswers {
        NameAnswers { arm: Arm::A, values: values.to_vec(), unparsed, unexplored, error: Some(0.0) }
    }

    #[test]
    fn fences_pool_names_and_the_ratio_counts_what_did_not_parse() {
        let before = [
            name(&[(10.0, 1.0), (20.0, 1.0)], 0.0, 0.0),
            name(&[(30.0, 1.0), (40.0, 1.0)], 5.0, 0.0),
        ];
        let fences = TukeyFences::of(&before, 1.5).unwrap();
        assert_eq!(fences, TukeyFences { low: -20.0, high: 60.0 });
        let after =
            [name(&[(60.0, 2.0), (60.5, 1.0)], 1.0, 0.0), name(&[(-20.0, 1.0)], 0.0, 100.0)];
        assert_eq!(inlier_share(&after[0], &fences), (2.0, 4.0));
        assert_eq!(inlier_ratio(&after, &fences), Ok(3.0 / 5.0));
    }

    #[test]
    fn errors() {
        let answers = [name(&[(1.0, 1.0)], 0.0, 0.0)];
        assert!(matches!(TukeyFences::of(&answers, -1.0), Err(MetricError::BadFences { .. })));
        assert!(matches!(TukeyFences::of(&answers, f64::NAN), Err(MetricError::BadFences { .. })));
        let silent = [name(&[], 3.0, 0.0)];
        assert!(matches!(TukeyFences::of(&silent, 1.5), Err(MetricError::NoValues { .. })));
        let fences = TukeyFences::of(&answers, 1.5).unwrap();
        assert_eq!(inlier_ratio(&silent, &fences), Ok(0.0));
        assert!(matches!(inlier_ratio(&[], &fences), Err(MetricError::NoValues { .. })));
    }
}
