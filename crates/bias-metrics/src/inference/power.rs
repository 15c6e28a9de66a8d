use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF as _, Normal};

use crate::error::MetricError;

/// The dependence between the answers of one name, which converts a difference between answers into
/// one between names.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Clustering {
    /// The share of the variance of answers that lies between names of a group (the intraclass
    /// correlation).
    pub between: f64,
    /// The number of answers drawn for each name; infinite for the exact distribution.
    pub answers: f64,
}

impl Clustering {
    /// Converts a standardized mean difference of answers into deviations of the names' means:
    /// Var(mean) = σ²·(ρ + (1 − ρ)/K).
    ///
    /// # Errors
    /// [`MetricError::BadDesign`] unless 0 ≤ between ≤ 1 and at least one answer was drawn, or if
    /// names do not vary at all.
    pub fn among_names(self, smd: f64) -> Result<f64, MetricError> {
        let Self { between, answers } = self;
        let deviation = (between + (1.0 - between) / answers).sqrt();
        if !(0.0..=1.0).contains(&between) || answers.is_nan() || answers < 1.0 || deviation == 0.0
        {
            let reason = format!("{between} of the variance between names, {answers} answers each");
            return Err(MetricError::BadDesign { reason });
        }
        Ok(smd / deviation)
    }
}

/// A planned comparison of two groups of names by a two-sided t test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Design {
    /// Names of each group.
    pub names: [usize; 2],
    /// The accepted probability of a false positive, such as 0.05.
    pub alpha: f64,
}

/// Beyond this power, and below the corresponding level, the integral is not exact enough.
const MOST_POWER: f64 = 1.0 - 1e-6;
/// A limit on the number of names that is never reached in practice.
const MOST_NAMES: usize = 1_000_000;

impl Design {
    /// The probability of finding a difference of this size, in deviations between names.
    ///
    /// # Errors
    /// [`MetricError::BadDesign`] below two names in a group, for a level outside [0.000001, 1) or
    /// an effect that is NaN.
    pub fn power(&self, effect: f64) -> Result<f64, MetricError> {
        Ok(self.plan(effect)?.power(effect))
    }

    /// The smallest difference, in deviations between names, that is found with this probability.
    ///
    /// # Errors
    /// As [`power`](Self::power); a power that is not between the level and 0.999999.
    pub fn minimum_detectable(&self, power: f64) -> Result<f64, MetricError> {
        if !(power > self.alpha && power <= MOST_POWER) {
            let reason = format!("a power of {power} at level {}", self.alpha);
            return Err(MetricError::BadDesign { reason });
        }
        let plan = self.plan(1.0)?;
        let mut high = 1.0;
        while plan.power(high) < power {
            high *= 2.0;
        }
        Ok(crossing(0.0, high, |effect| plan.power(effect) - power))
    }

    /// The number of names per group needed to find a difference of this size, in deviations
    /// between names, with this probability.
    ///
    /// # Errors
    /// [`MetricError::BadDesign`] for an effect of 0, a level or a power outside its range, or more
    /// names than a million.
    pub fn names_needed(effect: f64, alpha: f64, power: f64) -> Result<usize, MetricError> {
        let enough = |names: usize| {
            Ok::<_, MetricError>(Self { names: [names; 2], alpha }.power(effect)? >= power)
        };
        let bad = || MetricError::BadDesign {
            reason: format!(
                "an effect of {effect} to be found with power {power} by at most {MOST_NAMES} names"
            ),
        };
        if !(power > 0.0 && power < 1.0) || effect == 0.0 {
            return Err(bad());
        }
        let (mut low, mut high) = (1, 2);
        while !enough(high)? {
            if high == MOST_NAMES {
                return Err(bad());
            }
            (low, high) = (high, (2 * high).min(MOST_NAMES));
        }
        while high - low > 1 {
            let middle = low.midpoint(high);
            if enough(middle)? { high = middle } else { low = middle }
        }
        Ok(high)
    }

    fn plan(&self, effect: f64) -> Result<Plan, MetricError> {
        let [n, m] = self.names.map(|n| n as f64);
        let bad = || MetricError::BadDesign {
            reason: format!("{n} and {m} names, level {}, effect {effect}", self.alpha),
        };
        if n < 2.0 || m < 2.0 || !(1e-6..1.0).contains(&self.alpha) || !effect.is_finite() {
            return Err(bad());
        }
        let degrees = n + m - 2.0;
        // The density of S, S² chi-squared over its degrees, up to a constant that makes it about 1
        // at its mode.
        let density = |s: f64| ((degrees - 1.0) * s.ln() + degrees / 2.0 * (1.0 - s * s)).exp();
        let reach = 12.0 / (2.0 * degrees).sqrt();
        let (from, to) = ((1.0 - reach).max(0.0), 1.0 + reach);
        // S = from + (to − from) u³: small values of S, at which t is large, need the finest steps.
        let u = |i: usize| i as f64 / STEPS as f64;
        let at = |i: usize| from + (to - from) * u(i).powi(3);
        let simpson = |i: usize| match i {
            0 | STEPS => 1.0,
            i if i.is_multiple_of(2) => 2.0,
            _ => 4.0,
        };
        let mut nodes: Vec<(f64, f64)> =
            (0..=STEPS).map(|i| (at(i), simpson(i) * u(i).powi(2) * density(at(i)))).collect();
        let sum: f64 = nodes.iter().map(|node| node.1).sum();
        nodes.iter_mut().for_each(|node| node.1 /= sum);
        let mut plan = Plan { nodes, per_effect: (n * m / (n + m)).sqrt(), critical: 0.0 };
        let beyond = |critical: f64| self.alpha - plan.beyond(critical, 0.0);
        let mut high = 2.0;
        while beyond(high) < 0.0 {
            high *= 2.0;
        }
        plan.critical = crossing(0.0, high, beyond);
        Ok(plan)
    }
}

/// The number of steps of Simpson's rule.
const STEPS: usize = 2000;

/// A t statistic is (Z + shift)/S with Z normal: an integral over S.
struct Plan {
    /// Values of S with their probabilities.
    nodes: Vec<(f64, f64)>,
    /// The shift of an effect of 1.
    per_effect: f64,
    /// The critical value of |t|.
    critical: f64,
}

impl Plan {
    fn power(&self, effect: f64) -> f64 {
        self.beyond(self.critical, effect * self.per_effect)
    }

    /// P(|t| > critical).
    fn beyond(&self, critical: f64, shift: f64) -> f64 {
        let normal = Normal::standard();
        let both = |s: f64| normal.cdf(shift - critical * s) + normal.cdf(-shift - critical * s);
        self.nodes.iter().map(|(s, share)| share * both(*s)).sum::<f64>().clamp(0.0, 1.0)
    }
}

/// The zero of a rising function, by bisection.
fn crossing(mut low: f64, mut high: f64, rising: impl Fn(f64) -> f64) -> f64 {
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if rising(middle) < 0.0 { low = middle } else { high = middle }
    }
    high
}
