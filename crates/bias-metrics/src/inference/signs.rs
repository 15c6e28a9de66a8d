use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::error::MetricError;

/// The result of turning signs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SignTest {
    /// The sum of the values.
    pub observed: f64,
    /// The probability of a sum as far from 0, or farther, if signs are random.
    pub p: f64,
    /// The number of patterns of signs tried.
    pub patterns: usize,
    /// Whether these are all patterns.
    pub exact: bool,
}

/// Turns the signs of independent values: if each was as likely to be above 0 as below, any pattern
/// of signs was as likely (Fisher 1935).
///
/// A value belongs to a unit, such as a template: the sum of what its items say for one side and
/// against it. So the dependence between items of one template does no harm. If there are no more
/// patterns than were asked for, all are tried. Otherwise that many are drawn, and the observed one
/// counts among them, so that p is never 0 (Phipson & Smyth 2010).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignFlips {
    seed: u64,
    patterns: usize,
}

impl SignFlips {
    /// 9,999 patterns, which depend on the seed alone.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, patterns: 9999 }
    }

    /// The number of patterns to draw.
    ///
    /// # Errors
    /// [`MetricError::BadResamples`] below 2.
    pub fn patterns(self, patterns: usize) -> Result<Self, MetricError> {
        if patterns < 2 {
            return Err(MetricError::BadResamples { resamples: patterns });
        }
        Ok(Self { patterns, ..self })
    }

    /// Tests whether values lie around 0. Values of 0 say nothing, and are left out.
    ///
    /// # Errors
    /// [`MetricError::NoValues`] without values, [`MetricError::NotFinite`].
    pub fn test(&self, values: &[f64]) -> Result<SignTest, MetricError> {
        if values.is_empty() {
            return Err(MetricError::NoValues { what: "sign test" });
        }
        if values.iter().any(|value| !value.is_finite()) {
            return Err(MetricError::NotFinite { what: "value whose sign was to be turned" });
        }
        let values: Vec<f64> = values.iter().copied().filter(|value| *value != 0.0).collect();
        let observed: f64 = values.iter().sum();
        // Sums in another order are as far.
        let bar = observed.abs() * (1.0 - 1e-12);
        let all = u32::try_from(values.len()).ok().and_then(|n| 1usize.checked_shl(n));
        let exact = all.filter(|all| *all <= self.patterns);
        let far = |turned: &dyn Fn(usize) -> bool| {
            let sum: f64 =
                values.iter().enumerate().map(|(i, v)| if turned(i) { -v } else { *v }).sum();
            usize::from(sum.abs() >= bar)
        };
        if let Some(all) = exact {
            let hits: usize = (0..all).map(|bits| far(&|i| bits >> i & 1 == 1)).sum();
            return Ok(SignTest {
                observed,
                p: hits as f64 / all as f64,
                patterns: all,
                exact: true,
            });
        }
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut turned = vec![false; values.len()];
        let mut hits = 0;
        for _ in 0..self.patterns {
            turned.iter_mut().for_each(|own| *own = rng.random());
            hits += far(&|i| turned[i]);
        }
        let p = (hits + 1) as f64 / (self.patterns + 1) as f64;
        Ok(SignTest { observed, p, patterns: self.patterns, exact: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_are_tried_in_every_pattern() {
        let found = SignFlips::new(0).test(&[1.0, 1.0, 1.0, 1.0, 1.0, 0.0]).unwrap();
        assert_eq!((found.observed, found.p, found.patterns, found.exact), (5.0, 0.0625, 32, true));
        let even = SignFlips::new(0).test(&[2.0, -2.0]).unwrap();
        assert_eq!(even.p, 1.0);
        assert_eq!(SignFlips::new(0).test(&[0.0]).unwrap().p, 1.0);
    }

    #[test]
    fn drawn_patterns_agree_with_all_of_them() {
        let values: Vec<f64> = (0..12).map(|i| f64::from(i) - 3.5).collect();
        let all = SignFlips::new(1).test(&values).unwrap();
        let drawn = SignFlips::new(1).patterns(2000).unwrap().test(&values).unwrap();
        assert!(all.exact && !drawn.exact);
        assert!((all.p - drawn.p).abs() < 0.04, "{} {}", all.p, drawn.p);
        let one_sided = SignFlips::new(1).test(&[1.0; 40]).unwrap();
        assert!(one_sided.p > 0.0 && one_sided.p < 0.001);
    }

    #[test]
    fn nothing_is_tested_of_nothing() {
        assert!(matches!(SignFlips::new(0).test(&[]), Err(MetricError::NoValues { .. })));
        assert!(matches!(SignFlips::new(0).test(&[f64::NAN]), Err(MetricError::NotFinite { .. })));
        assert!(SignFlips::new(0).patterns(1).is_err());
    }
}
