use serde::{Deserialize, Serialize};

use crate::arm::Arm;
use crate::effect::moments::NameMoments;
use crate::effect::values::NameAnswers;

/// The range of a statistic over all possible contents of the answers that an exact search left
/// unexplored.
///
/// It is not a confidence interval: nothing here is random. The one assumption is the range of the
/// unexplored answers, if they state a number at all.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    /// The lowest possible value.
    pub low: f64,
    /// The highest.
    pub high: f64,
}

/// The lowest and the highest explored answer of any name: the usual assumption about the
/// unexplored answers. `None` if there are none.
#[must_use]
pub fn explored_range(answers: &[NameAnswers]) -> Option<[f64; 2]> {
    let values = || answers.iter().flat_map(|a| &a.values).filter(|v| v.1 > 0.0).map(|v| v.0);
    let (low, high) = (values().reduce(f64::min)?, values().reduce(f64::max)?);
    (low.is_finite() && high.is_finite()).then_some([low, high])
}

/// Bounds on the mean answer of an arm: explored mass W with mean m, unexplored U within \[lo, hi\]
/// gives \[(W·m + U·lo)/(W + U), (W·m + U·hi)/(W + U)\]. `None` without explored answers.
#[must_use]
pub fn mean_bounds(answers: &[NameAnswers], arm: Arm, range: [f64; 2]) -> Option<Bounds> {
    Spread::of(answers, arm, range).map(|s| s.mean)
}

/// Bounds on the standardized mean difference of exact answer distributions.
///
/// An arm's variance is at least W·s²/(W + U), where all of U sits on the mean, and at most (W·s² +
/// U·R²)/(W + U), where it sits R away, at the farther end of the range. The bounds hold, but are
/// wider than necessary, because means and variances cannot all be at their ends at once. `None` if
/// an arm has no explored answers or neither varies.
#[must_use]
pub fn smd_bounds(answers: &[NameAnswers], range: [f64; 2]) -> Option<Bounds> {
    let (a, b) = (Spread::of(answers, Arm::A, range)?, Spread::of(answers, Arm::B, range)?);
    let (low, high) = (a.mean.low - b.mean.high, a.mean.high - b.mean.low);
    let narrow = f64::midpoint(a.variance.low, b.variance.low).sqrt();
    let wide = f64::midpoint(a.variance.high, b.variance.high).sqrt();
    let bounds = Bounds {
        low: low / if low < 0.0 { narrow } else { wide },
        high: high / if high < 0.0 { wide } else { narrow },
    };
    (narrow > 0.0 && bounds.low.is_finite() && bounds.high.is_finite()).then_some(bounds)
}

struct Spread {
    mean: Bounds,
    variance: Bounds,
}

impl Spread {
    fn of(answers: &[NameAnswers], arm: Arm, [lo, hi]: [f64; 2]) -> Option<Self> {
        let own = || answers.iter().filter(|a| a.arm == arm);
        let all = own().fold(NameMoments::empty(arm), |sum, a| sum.merge(&a.moments()));
        let unexplored: f64 = own().map(|a| a.unexplored.max(0.0)).sum();
        if all.weight <= 0.0 || !all.mean.is_finite() {
            return None;
        }
        let total = all.weight + unexplored;
        // A range that leaves the mean out still lets the unexplored answers state no number.
        let with = |end: f64| (all.weight * all.mean + unexplored * end) / total;
        let far = f64::max((lo - all.mean).abs(), (hi - all.mean).abs());
        let farthest = (all.m2 + unexplored * far * far) / total;
        Some(Self {
            mean: Bounds { low: with(lo).min(all.mean), high: with(hi).max(all.mean) },
            variance: Bounds { low: all.m2 / total, high: farthest.max(all.m2 / all.weight) },
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::effect::{Weighting, smd};

    fn answers(arm: Arm, values: &[(f64, f64)]) -> NameAnswers {
        NameAnswers {
            arm,
            values: values.to_vec(),
            unparsed: 0.0,
            unexplored: 0.0,
            error: Some(0.0),
        }
    }

    #[test]
    fn nothing_unexplored_leaves_nothing_open() {
        let all = [
            answers(Arm::A, &[(1.0, 0.5), (3.0, 0.5)]),
            answers(Arm::B, &[(0.0, 0.5), (2.0, 0.5)]),
        ];
        assert_eq!(explored_range(&all), Some([0.0, 3.0]));
        assert_eq!(mean_bounds(&all, Arm::A, [0.0, 3.0]), Some(Bounds { low: 2.0, high: 2.0 }));
        assert_eq!(smd_bounds(&all, [0.0, 3.0]), Some(Bounds { low: 1.0, high: 1.0 }));
        assert_eq!(smd_bounds(&all[..1], [0.0, 3.0]), None);
        assert_eq!(explored_range(&[]), None);
    }

    proptest! {
        /// Whichever part of a distribution is hidden, the truth lies within the bounds.
        #[test]
        fn the_truth_lies_within(
            a in prop::collection::vec((0.0..100.0, 0.01..1.0, any::<bool>(), any::<bool>()), 2..12),
            b in prop::collection::vec((0.0..100.0, 0.01..1.0, any::<bool>(), any::<bool>()), 2..12),
        ) {
            let (mut known, mut truth) = (Vec::new(), Vec::new());
            for (arm, values) in [(Arm::A, a), (Arm::B, b)] {
                let total: f64 = values.iter().map(|v| v.1).sum();
                let mut seen = answers(arm, &[]);
                let mut whole = answers(arm, &[]);
                for (i, (value, weight, hidden, number)) in values.into_iter().enumerate() {
                    let weight = weight / total;
                    // The first is always explored.
                    if i == 0 || !hidden {
                        seen.values.push((value, weight));
                        whole.values.push((value, weight));
                    } else {
                        seen.unexplored += weight;
                        if number {
                            whole.values.push((value, weight));
                        }
                    }
                }
                known.push(seen);
                truth.push(whole);
            }
            let range = [0.0, 100.0];
            let moments: Vec<_> = truth.iter().map(NameAnswers::moments).collect();
            for (arm, m) in [(Arm::A, moments[0]), (Arm::B, moments[1])] {
                let bounds = mean_bounds(&known, arm, range).unwrap();
                prop_assert!(bounds.low - 1e-9 <= m.mean && m.mean <= bounds.high + 1e-9);
            }
            if let (Some(bounds), Ok(effect)) = (smd_bounds(&known, range), smd(&moments, Weighting::Probability))
                && let Some(effect) = effect.value()
            {
                prop_assert!(bounds.low - 1e-9 <= effect && effect <= bounds.high + 1e-9, "{bounds:?} {effect}");
            }
        }
    }
}
