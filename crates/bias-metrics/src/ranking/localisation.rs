use serde::{Deserialize, Serialize};

use crate::error::MetricError;

/// How well scores separate the units known to matter from the others.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Localisation {
    /// The probability that a unit that matters scores above one that does not. Ties count half;
    /// 0.5 is chance.
    pub auroc: f64,
    /// The mean precision over the units that matter, going down the ranking. Equal scores are
    /// taken together. Chance is the share of units that matter.
    pub average_precision: f64,
}

/// Compares scores with the truth, unit by unit: `(score, whether it matters)`.
///
/// # Errors
/// [`MetricError::NotFinite`] for NaN or infinite scores, [`MetricError::OneClass`] unless some
/// units matter and some do not.
pub fn localisation(mut units: Vec<(f32, bool)>) -> Result<Localisation, MetricError> {
    if units.iter().any(|(score, _)| !score.is_finite()) {
        return Err(MetricError::NotFinite { what: "localisation" });
    }
    let positives = units.iter().filter(|(_, matters)| *matters).count() as f64;
    let negatives = units.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return Err(MetricError::OneClass);
    }
    units.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let (mut above, mut right, mut area, mut precision) = (0.0, 0.0, 0.0, 0.0);
    for tied in units.chunk_by(|a, b| a.0 == b.0) {
        let hits = tied.iter().filter(|(_, matters)| *matters).count() as f64;
        let misses = tied.len() as f64 - hits;
        // Each miss lies below the hits so far, and half of those beside it.
        area += misses * (right + hits / 2.0);
        right += hits;
        above += tied.len() as f64;
        precision += hits * (right / above);
    }
    Ok(Localisation {
        auroc: area / (positives * negatives),
        average_precision: precision / positives,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_perfect_ranking_a_reversed_one_and_none() {
        let of = |scores: [f32; 4]| {
            let found = scores.into_iter().zip([true, true, false, false]).collect();
            localisation(found).map(|l| (l.auroc, l.average_precision))
        };
        assert_eq!(of([4.0, 3.0, 2.0, 1.0]).unwrap(), (1.0, 1.0));
        assert_eq!(of([1.0, 2.0, 3.0, 4.0]).unwrap(), (0.0, (1.0 / 3.0 + 0.5) / 2.0));
        assert_eq!(of([0.0, -0.0, 0.0, 0.0]).unwrap(), (0.5, 0.5));
        assert!(matches!(of([f32::NAN, 0.0, 0.0, 0.0]), Err(MetricError::NotFinite { .. })));
        assert!(matches!(localisation(vec![(1.0, true)]), Err(MetricError::OneClass)));
    }

    proptest! {
        #[test]
        fn it_counts_pairs(units in prop::collection::vec(((0i8..6).prop_map(f32::from), any::<bool>()), 2..60)) {
            let (hits, misses): (Vec<_>, Vec<_>) = units.iter().partition(|(_, matters)| *matters);
            prop_assume!(!hits.is_empty() && !misses.is_empty());
            let wins: f64 = hits.iter().flat_map(|(h, _)| misses.iter().map(move |(m, _)| {
                if h > m { 1.0 } else if h == m { 0.5 } else { 0.0 }
            })).sum();
            // Precision among all that score at least as high, for each unit that matters.
            let precision: f64 = hits.iter().map(|(h, _)| {
                let above = units.iter().filter(|(s, _)| s >= h);
                let right = above.clone().filter(|(_, matters)| *matters).count();
                right as f64 / above.count() as f64
            }).sum();
            let found = localisation(units.clone()).unwrap();
            prop_assert!((found.auroc - wins / (hits.len() * misses.len()) as f64).abs() < 1e-12);
            prop_assert!((found.average_precision - precision / hits.len() as f64).abs() < 1e-12);
        }
    }
}
