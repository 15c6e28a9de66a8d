use serde::{Deserialize, Serialize};

use crate::error::MetricError;

/// The counts of two masks in one matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatrixOverlap {
    /// The number of units in the matrix.
    pub total: u64,
    /// The number of units in the first mask.
    pub a: u64,
    /// The number of units in the second mask.
    pub b: u64,
    /// The number of units in both.
    pub both: u64,
}

/// The agreement of two masks, and the agreement of random ones.
///
/// "Random" draws both masks independently and uniformly with the same counts per matrix. So a
/// common preference for certain layers does not count as agreement. Everything is `None` if a mask
/// is empty.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Overlap {
    /// |A∩B| / |A∪B|.
    pub jaccard: Option<f64>,
    /// |A∩B| / min(|A|, |B|).
    pub coefficient: Option<f64>,
    /// The Jaccard index at the expected intersection of random masks, E / (|A| + |B| − E). It is
    /// slightly below the expected index; over many units the difference vanishes.
    pub expected_jaccard: Option<f64>,
    /// The expected coefficient of random masks, exact: E = Σ a·b/total over matrices, divided by
    /// min(|A|, |B|).
    pub expected_coefficient: Option<f64>,
}

impl Overlap {
    /// The Jaccard index minus its value by chance.
    #[must_use]
    pub fn jaccard_above_chance(&self) -> Option<f64> {
        Some(self.jaccard? - self.expected_jaccard?)
    }

    /// The overlap coefficient minus its value by chance.
    #[must_use]
    pub fn coefficient_above_chance(&self) -> Option<f64> {
        Some(self.coefficient? - self.expected_coefficient?)
    }
}

/// The overlap of two masks, from their counts in each matrix.
///
/// # Errors
/// [`MetricError::ImpossibleCounts`] when a mask exceeds its matrix, the intersection
/// exceeds a mask, or the union exceeds the matrix.
pub fn overlap(matrices: &[MatrixOverlap]) -> Result<Overlap, MetricError> {
    let (mut a, mut b, mut both, mut chance) = (0u128, 0u128, 0u128, 0f64);
    for (matrix, m) in matrices.iter().enumerate() {
        let union = (u128::from(m.a) + u128::from(m.b)).checked_sub(m.both.into());
        let possible = m.both <= m.a.min(m.b) && union.is_some_and(|u| u <= m.total.into());
        if !possible {
            let MatrixOverlap { total, a, b, both } = *m;
            return Err(MetricError::ImpossibleCounts { matrix, total, a, b, both });
        }
        a += u128::from(m.a);
        b += u128::from(m.b);
        both += u128::from(m.both);
        if m.total > 0 {
            chance += m.a as f64 * (m.b as f64 / m.total as f64);
        }
    }
    if a == 0 || b == 0 {
        let (jaccard, coefficient) = (None, None);
        return Ok(Overlap {
            jaccard,
            coefficient,
            expected_jaccard: None,
            expected_coefficient: None,
        });
    }
    let (sum, least) = ((a + b) as f64, a.min(b) as f64);
    let jaccard = |both: f64| Some(both / (sum - both));
    let coefficient = |both: f64| Some(both / least);
    Ok(Overlap {
        jaccard: jaccard(both as f64),
        coefficient: coefficient(both as f64),
        expected_jaccard: jaccard(chance),
        expected_coefficient: coefficient(chance),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matrix(total: u64, a: u64, b: u64, both: u64) -> MatrixOverlap {
        MatrixOverlap { total, a, b, both }
    }

    #[test]
    fn by_hand() {
        let o = overlap(&[matrix(10, 4, 5, 2), matrix(20, 0, 3, 0), matrix(0, 0, 0, 0)]).unwrap();
        assert_eq!((o.jaccard, o.coefficient), (Some(0.2), Some(0.5)));
        assert_eq!((o.expected_jaccard, o.expected_coefficient), (Some(0.2), Some(0.5)));
        assert_eq!(
            (o.jaccard_above_chance(), o.coefficient_above_chance()),
            (Some(0.0), Some(0.0))
        );
        let empty = overlap(&[matrix(10, 0, 5, 0)]).unwrap();
        assert_eq!((empty.jaccard, empty.coefficient_above_chance()), (None, None));
    }

    #[test]
    fn impossible_counts() {
        let bad = [
            matrix(4, 5, 1, 1),
            matrix(9, 2, 3, 3),
            matrix(4, 3, 3, 1),
            matrix(0, 0, 1, 0),
            matrix(9, 1, 1, 7),
        ];
        for m in bad {
            let error = overlap(&[matrix(1, 1, 1, 1), m]);
            assert!(matches!(error, Err(MetricError::ImpossibleCounts { matrix: 1, .. })), "{m:?}");
        }
    }

    /// All masks of `count` among `total` units.
    fn masks(total: u32, count: u32) -> impl Iterator<Item = u32> {
        (0..1u32 << total).filter(move |m| m.count_ones() == count)
    }

    proptest! {
        #[test]
        fn expectation_is_the_mean_over_all_masks(total in 2u32..7, a in 1u32..7, b in 1u32..7) {
            let (a, b) = (a.min(total), b.min(total));
            let (mut pairs, mut coefficients, mut jaccards, mut expected) = (0.0, 0.0, 0.0, None);
            for (x, y) in masks(total, a).flat_map(|x| masks(total, b).map(move |y| (x, y))) {
                let both = (x & y).count_ones();
                let o = overlap(&[matrix(total.into(), a.into(), b.into(), both.into())]).unwrap();
                pairs += 1.0;
                coefficients += o.coefficient.unwrap();
                jaccards += o.jaccard.unwrap();
                expected = Some(o);
            }
            let expected = expected.unwrap();
            prop_assert!((coefficients / pairs - expected.expected_coefficient.unwrap()).abs() < 1e-12);
            prop_assert!(jaccards / pairs >= expected.expected_jaccard.unwrap() - 1e-12);
        }

        #[test]
        fn equal_masks_overlap_fully(counts in prop::collection::vec((1u64..1000, 0u64..1000), 1..8)) {
            let same: Vec<MatrixOverlap> =
                counts.iter().map(|&(a, rest)| matrix(a + rest, a, a, a)).collect();
            let o = overlap(&same).unwrap();
            prop_assert_eq!((o.jaccard, o.coefficient), (Some(1.0), Some(1.0)));
            prop_assert!(o.jaccard_above_chance().unwrap() >= 0.0);
        }
    }
}
