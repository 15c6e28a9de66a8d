use serde::{Deserialize, Serialize};

use crate::arm::Arm;

/// The weight, mean and sum of squared deviations of one name's values.
///
/// An effect size needs nothing else, so a bootstrap adds up names instead of answers. Deviations
/// are taken from the mean (West 1979) and merged pairwise (Chan, Golub and LeVeque 1983): a sum of
/// squares would lose the variance of prices in the thousands.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NameMoments {
    /// The group of the name.
    pub arm: Arm,
    /// Σ w.
    pub weight: f64,
    /// Σ w·v / Σ w; 0 without weight. JSON has no infinity: a value that was too large reads back
    /// as NaN.
    #[serde(deserialize_with = "null_is_nan")]
    pub mean: f64,
    /// Σ w·(v − mean)². Too large a value reads back as NaN.
    #[serde(deserialize_with = "null_is_nan")]
    pub m2: f64,
    /// (Σ w)² times the part of the mean's variance that comes from drawing answers instead of
    /// enumerating them. Too large a value reads back as NaN.
    #[serde(default, deserialize_with = "null_is_nan")]
    pub noise: f64,
}

fn null_is_nan<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

impl NameMoments {
    /// No answers yet.
    #[must_use]
    pub fn empty(arm: Arm) -> Self {
        Self { arm, weight: 0.0, mean: 0.0, m2: 0.0, noise: 0.0 }
    }

    /// The moments of `(value, weight)` pairs; pairs of weight 0 do not count.
    #[must_use]
    pub fn of(arm: Arm, values: &[(f64, f64)]) -> Self {
        let single = |&(mean, weight): &(f64, f64)| Self { arm, weight, mean, m2: 0.0, noise: 0.0 };
        values.iter().map(single).fold(Self::empty(arm), |sum, one| sum.merge(&one))
    }

    /// The moments of both, in the arm of `self`: with d the difference of the means, m2 = m2₁ +
    /// m2₂ + d²·w₁·w₂/(w₁ + w₂).
    #[must_use]
    pub fn merge(&self, other: &Self) -> Self {
        if other.weight == 0.0 {
            return *self;
        }
        if self.weight == 0.0 {
            return Self { arm: self.arm, ..*other };
        }
        let weight = self.weight + other.weight;
        let (gap, share) = (other.mean - self.mean, other.weight / weight);
        Self {
            arm: self.arm,
            weight,
            mean: self.mean + gap * share,
            m2: self.m2 + other.m2 + gap * gap * self.weight * share,
            noise: self.noise + other.noise,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_values_have_no_spread_at_all() {
        let values = vec![(0.1, 0.3); 7];
        assert_eq!(NameMoments::of(Arm::A, &values).m2, 0.0);
        assert_eq!(NameMoments::of(Arm::A, &[]), NameMoments::empty(Arm::A));
    }

    #[test]
    fn survives_a_large_mean() {
        let m = NameMoments::of(Arm::A, &[(1e9 + 1.0, 1.0), (1e9 + 2.0, 1.0), (1e9 + 3.0, 1.0)]);
        assert_eq!((m.weight, m.mean, m.m2), (3.0, 1e9 + 2.0, 2.0));
    }

    proptest! {
        #[test]
        fn merging_parts_gives_the_whole(values in prop::collection::vec((-1e4..1e4, 0.0..5.0), 0..30), cut in 0usize..30) {
            let (left, right) = values.split_at(cut.min(values.len()));
            let whole = NameMoments::of(Arm::B, &values);
            let parts = NameMoments::of(Arm::B, left).merge(&NameMoments::of(Arm::B, right));
            let close = |x: f64, y: f64| (x - y).abs() <= 1e-9 * (1.0 + x.abs().max(y.abs()));
            prop_assert!(close(whole.weight, parts.weight));
            prop_assert!(close(whole.mean, parts.mean));
            prop_assert!(close(whole.m2, parts.m2));
        }
    }
}
