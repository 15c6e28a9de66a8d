use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::error::MetricError;

/// The result of dealing labels anew.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LabelTest {
    /// The statistic of the labels as they are.
    pub observed: f64,
    /// Its mean over labels dealt at random.
    pub by_chance: f64,
    /// The probability of a statistic as large, or larger, if labels are dealt at random.
    pub p: f64,
}

/// Deals the labels of units anew: if labels say nothing about the units, any order of them was as
/// likely (Fisher 1935). For any number of labels, such as the groups that names belong to.
///
/// Labels are drawn at random, and the observed ones count among the draws, so that p is never 0
/// (Phipson & Smyth 2010).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelShuffles {
    seed: u64,
    draws: usize,
}

impl LabelShuffles {
    /// 9,999 draws, which depend on the seed alone.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, draws: 9999 }
    }

    /// The number of draws.
    ///
    /// # Errors
    /// [`MetricError::BadResamples`] below 2.
    pub fn draws(self, draws: usize) -> Result<Self, MetricError> {
        if draws < 2 {
            return Err(MetricError::BadResamples { resamples: draws });
        }
        Ok(Self { draws, ..self })
    }

    /// Tests whether a statistic is larger than labels dealt at random make it.
    ///
    /// # Errors
    /// [`MetricError::NoValues`] without labels; [`MetricError::NotFinite`] if the statistic of the
    /// labels as they are is none. Draws without a finite statistic count as at least as large.
    pub fn test(
        &self,
        labels: &[usize],
        statistic: impl Fn(&[usize]) -> f64,
    ) -> Result<LabelTest, MetricError> {
        if labels.is_empty() {
            return Err(MetricError::NoValues { what: "test of labels" });
        }
        let observed = statistic(labels);
        if !observed.is_finite() {
            return Err(MetricError::NotFinite { what: "statistic of the labels themselves" });
        }
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut dealt = labels.to_vec();
        // Sums in another order are as large.
        let bar = observed - 1e-12 * observed.abs();
        let (mut as_large, mut sum, mut finite) = (1usize, 0.0, 0usize);
        for _ in 0..self.draws {
            dealt.shuffle(&mut rng);
            let own = statistic(&dealt);
            as_large += usize::from(!own.is_finite() || own >= bar);
            if own.is_finite() {
                sum += own;
                finite += 1;
            }
        }
        let p = as_large as f64 / (self.draws + 1) as f64;
        Ok(LabelTest { observed, by_chance: sum / finite as f64, p })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_say_something_are_told_from_those_that_do_not() {
        let values: Vec<f64> = (0..12).map(f64::from).collect();
        let spread = |labels: &[usize]| {
            let mut sums = [(0.0, 0.0); 3];
            for (value, label) in values.iter().zip(labels) {
                sums[*label] = (sums[*label].0 + value, sums[*label].1 + 1.0);
            }
            sums.iter().map(|(sum, n)| n * (sum / n - 5.5f64).powi(2)).sum::<f64>()
        };
        let apart: Vec<usize> = (0..12).map(|i| i / 4).collect();
        let found = LabelShuffles::new(1).test(&apart, spread).unwrap();
        assert!(found.p < 0.001 && found.by_chance < found.observed / 3.0, "{found:?}");
        let mixed: Vec<usize> = (0..12).map(|i| i % 3).collect();
        let found = LabelShuffles::new(1).draws(500).unwrap().test(&mixed, spread).unwrap();
        assert!(found.p > 0.5, "{found:?}");
        assert!(LabelShuffles::new(1).draws(1).is_err());
        assert!(LabelShuffles::new(1).test(&[], spread).is_err());
        assert!(LabelShuffles::new(1).test(&[0], |_| f64::NAN).is_err());
    }
}
