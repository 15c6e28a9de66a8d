use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::arm::Arm;
use crate::error::MetricError;

/// The result of relabelling names.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PermutationTest {
    /// The statistic with the observed labels.
    pub observed: f64,
    /// The probability that it is as far from 0, or farther, if labels are random.
    pub p: f64,
    /// The number of labellings tried.
    pub labellings: usize,
    /// Whether these are all labellings.
    pub exact: bool,
    /// The number of labellings left out because the statistic was undefined.
    pub dropped: usize,
}

/// Assigns names to groups anew: if labels do not affect answers, any labelling was as likely
/// (Fisher 1935).
///
/// Whole names change sides, so the dependence between the answers of one name does no harm. If
/// there are no more labellings than were asked for, all are tried. Otherwise that many are drawn,
/// and the observed one counts among them, so that p is never 0 (Phipson & Smyth 2010).
#[derive(Debug, Clone, PartialEq)]
pub struct Permutation {
    seed: u64,
    labellings: usize,
}

impl Permutation {
    /// 9,999 labellings, which depend on the seed alone.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, labellings: 9999 }
    }

    /// The number of labellings to draw.
    ///
    /// # Errors
    /// [`MetricError::BadResamples`] below 2.
    pub fn labellings(self, labellings: usize) -> Result<Self, MetricError> {
        if labellings < 2 {
            return Err(MetricError::BadResamples { resamples: labellings });
        }
        Ok(Self { labellings, ..self })
    }

    /// The smallest p that this test can give for two groups of these sizes: the share of the
    /// labellings that no other can be farther than. These are the observed one and, if the groups
    /// are equally large, its mirror image.
    #[must_use]
    pub fn smallest_p(&self, names: [usize; 2]) -> f64 {
        let [a, b] = names;
        let all = a.checked_add(b).and_then(|names| choices(names, a, self.labellings));
        match all {
            Some(all) => (if a == b { 2.0 } else { 1.0 } / all as f64).min(1.0),
            None => 1.0 / (self.labellings + 1) as f64,
        }
    }

    /// Tests a statistic of a labelling, which is 0 or small where groups do not differ: two-sided
    /// if it has a sign. Labellings on which it is undefined (`None`) are dropped and counted. The
    /// first error that it returns ends the test.
    ///
    /// # Errors
    /// [`MetricError::EmptyArm`], [`MetricError::NotFinite`] if it is undefined on the labels as
    /// they are, [`MetricError::Unstable`] if on more than half of the labellings, and the
    /// statistic's own.
    pub fn test(
        &self,
        arms: &[Arm],
        statistic: impl Fn(&[Arm]) -> Result<Option<f64>, MetricError>,
    ) -> Result<PermutationTest, MetricError> {
        let of_a = arms.iter().filter(|arm| **arm == Arm::A).count();
        for (arm, count) in [(Arm::A, of_a), (Arm::B, arms.len() - of_a)] {
            if count == 0 {
                return Err(MetricError::EmptyArm {
                    arm,
                    weight: 0.0,
                    needed: "at least one name",
                });
            }
        }
        let observed = statistic(arms)?.filter(|v| v.is_finite());
        let observed =
            observed.ok_or(MetricError::NotFinite { what: "statistic that was permuted" })?;
        // Sums in another order are as far.
        let bar = observed.abs() * (1.0 - 1e-12);
        let (mut far, mut dropped, mut looked) = (0usize, 0usize, 0usize);
        let mut look = |labels: &[Arm]| {
            looked += 1;
            match statistic(labels)?.filter(|v| v.is_finite()) {
                Some(value) => far += usize::from(value.abs() >= bar),
                None => dropped += 1,
            }
            Ok(())
        };
        let exact = choices(arms.len(), of_a, self.labellings).is_some();
        if exact {
            each_labelling(arms.len(), of_a, &mut look)?;
        } else {
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
            let mut labels = arms.to_vec();
            for _ in 0..self.labellings {
                labels.shuffle(&mut rng);
                look(&labels)?;
            }
        }
        if 2 * dropped > looked {
            return Err(MetricError::Unstable { dropped, resamples: looked });
        }
        // All labellings have the observed one among them.
        let own = usize::from(!exact);
        let p = (far + own) as f64 / (looked - dropped + own) as f64;
        Ok(PermutationTest { observed, p, labellings: looked, exact, dropped })
    }
}

/// n over k, or `None` if that is more than `most`.
fn choices(n: usize, k: usize, most: usize) -> Option<usize> {
    (0..k.min(n - k)).try_fold(1usize, |ways, i| {
        let next = ways.checked_mul(n - i)? / (i + 1);
        (next <= most).then_some(next)
    })
}

/// Every labelling with `k` of `n` names on side A, in lexicographic order.
fn each_labelling(
    n: usize,
    k: usize,
    look: &mut impl FnMut(&[Arm]) -> Result<(), MetricError>,
) -> Result<(), MetricError> {
    let mut chosen: Vec<usize> = (0..k).collect();
    loop {
        let mut labels = vec![Arm::B; n];
        chosen.iter().for_each(|&i| labels[i] = Arm::A);
        look(&labels)?;
        let Some(at) = (0..k).rfind(|&i| chosen[i] < n - k + i) else { return Ok(()) };
        chosen[at] += 1;
        for i in at + 1..k {
            chosen[i] = chosen[i - 1] + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file may say any number of names.
    #[test]
    fn the_smallest_p_of_any_two_numbers_is_one() {
        let own = Permutation::new(0);
        for names in [[usize::MAX, usize::MAX], [usize::MAX, 1], [0, usize::MAX], [0, 0], [3, 3]] {
            let p = own.smallest_p(names);
            assert!((0.0..=1.0).contains(&p), "{names:?}: {p}");
        }
        assert_eq!(own.smallest_p([3, 3]), 0.1);
    }
}
