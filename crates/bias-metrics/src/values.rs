use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::NameMoments;

/// Which group a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// The group that a positive difference favours (white-associated names in
    /// arXiv 2502.07771).
    A,
    /// The group it is compared with.
    B,
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::B => "B",
        })
    }
}

/// What the weights of answers mean, hence what a variance divides by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weighting {
    /// Weights count sampled answers: variances divide by n − 1.
    Draws,
    /// Weights are exact answer probabilities per name: variances divide by the total
    /// weight, because no sampling is left.
    Probability,
}

/// One name's answers to one variation of a prompt.
///
/// Weights are counts or probabilities, as [`Weighting`] says; what did not parse and
/// what was not looked at is kept beside them in the same unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NameAnswers {
    /// The group of the name.
    pub arm: Arm,
    /// `(value, weight)` of each answer that parses to a number, in any order.
    pub values: Vec<(f64, f64)>,
    /// Weight of the answers that parse to no number.
    pub unparsed: f64,
    /// Probability that an exact search left unexplored; 0 for draws.
    pub unexplored: f64,
    /// Standard error of the values' mean, as far as they were drawn and not enumerated: [`drawn_error`],
    /// [`sampling_error`]; 0 where all are exact.
    #[serde(default)]
    pub error: f64,
}

impl NameAnswers {
    /// Weight, mean and squared deviations of the parsed values.
    ///
    /// Never fails: a NaN among the values makes the moments NaN, which
    /// [`smd`](crate::smd()) reports.
    #[must_use]
    pub fn moments(&self) -> NameMoments {
        let own = NameMoments::of(self.arm, &self.values);
        NameMoments { noise: (own.weight * self.error).powi(2), ..own }
    }

    /// Weight of the parsed values.
    #[must_use]
    pub fn parsed(&self) -> f64 {
        self.values.iter().map(|v| v.1).sum()
    }
}

/// Standard error of the mean of independent draws, `(value, how often it was drawn)`: s/√n; 0 for fewer than two, which say
/// nothing of it.
#[must_use]
pub fn sampling_error(values: &[(f64, f64)]) -> f64 {
    let own = NameMoments::of(Arm::A, values);
    if own.weight < 2.0 { 0.0 } else { (own.m2 / (own.weight - 1.0) / own.weight).sqrt() }
}

/// Standard error of the mean `E = Σ w v / Σ w` of answers `(value, weight, draw)` of which some are exact (no draw) and the others
/// stand for what was not explored, those of one draw together; `draws` counts also those that came to no value.
///
/// With `X_d = Σ w (v − E)` over the answers of draw `d`, it is √(n/(n − 1) · Σ (X_d − X̄)²) / Σ w: the usual linearisation of a
/// ratio (Cochran 1977, section 6.3) and the variance of independent draws. Draws that are spread evenly over what they stand
/// for vary less, so it is rather too large than too small. One draw alone counts with its whole size.
#[must_use]
pub fn drawn_error(values: &[(f64, f64, Option<u32>)], draws: u32) -> f64 {
    let mass: f64 = values.iter().map(|v| v.1).sum();
    if draws == 0 || mass <= 0.0 {
        return 0.0;
    }
    let mean = values.iter().map(|(v, w, _)| v * w).sum::<f64>() / mass;
    let mut sums: BTreeMap<u32, f64> = BTreeMap::new();
    for (value, weight, draw) in values {
        if let Some(draw) = draw {
            *sums.entry(*draw).or_default() += weight * (value - mean);
        }
    }
    let n = f64::from(draws);
    let square: f64 = sums.values().map(|x| x * x).sum();
    let middle = sums.values().sum::<f64>() / n;
    let variance = if draws == 1 { square } else { n / (n - 1.0) * (square - n * middle * middle).max(0.0) };
    variance.sqrt() / mass
}

/// The values of all names together.
pub(crate) fn pooled(answers: &[NameAnswers]) -> Vec<(f64, f64)> {
    answers.iter().flat_map(|a| a.values.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_those_of_independent_draws() {
        // Four draws of weight a quarter each, one of them split in two, one that came to nothing.
        let values = [(1.0, 0.25, Some(0)), (3.0, 0.25, Some(1)), (5.0, 0.1, Some(2)), (6.0, 0.15, Some(2))];
        let mean = (0.25 + 0.75 + 0.5 + 0.9) / 0.75;
        let x = [0.25 * (1.0 - mean), 0.25 * (3.0 - mean), 0.1 * (5.0 - mean) + 0.15 * (6.0 - mean), 0.0];
        let middle = x.iter().sum::<f64>() / 4.0;
        let by_hand = (4.0 / 3.0 * x.iter().map(|x| (x - middle).powi(2)).sum::<f64>()).sqrt() / 0.75;
        assert!((drawn_error(&values, 4) - by_hand).abs() < 1e-12);
        // Of equal draws it is s/√n.
        let draws = [(2.0, 0.2), (3.0, 0.2), (7.0, 0.2), (7.0, 0.2), (1.0, 0.2)];
        let numbered: Vec<_> = draws.iter().zip(0..).map(|((v, w), d)| (*v, *w, Some(d))).collect();
        let counted = draws.map(|(v, _)| (v, 1.0));
        assert!((drawn_error(&numbered, 5) - sampling_error(&counted)).abs() < 1e-12);
        // What is explored has none.
        assert_eq!(drawn_error(&[(1.0, 0.5, None), (2.0, 0.5, None)], 0), 0.0);
        assert_eq!(drawn_error(&[(1.0, 0.5, None), (2.0, 0.0, None)], 3), 0.0);
        assert_eq!(sampling_error(&[(1.0, 1.0)]), 0.0);
    }
}
