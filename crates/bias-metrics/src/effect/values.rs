use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::moments::NameMoments;
use crate::arm::Arm;

/// The meaning of the weights of answers, which decides the divisor of a variance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Weighting {
    /// Weights count sampled answers: variances divide by n − 1.
    Draws,
    /// Weights are exact answer probabilities per name: variances divide by the total
    /// weight, because no sampling is left.
    Probability,
}

/// One name's answers to one variation of a prompt.
///
/// Weights are counts or probabilities, as [`Weighting`] says. The weights of unparsed and of
/// unexplored answers are kept in the same unit.
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
    /// The standard error of the values' mean, as far as they were drawn instead of enumerated:
    /// [`drawn_error`], [`sampling_errors`]. 0 if all are exact, `None` if it cannot be estimated.
    #[serde(default = "exact")]
    pub error: Option<f64>,
}

fn exact() -> Option<f64> {
    Some(0.0)
}

impl NameAnswers {
    /// Weight, mean and squared deviations of the parsed values.
    ///
    /// It never fails: a NaN among the values makes the moments NaN, which [`smd`](crate::smd())
    /// reports. Without an `error` the noise is NaN.
    #[must_use]
    pub fn moments(&self) -> NameMoments {
        let own = NameMoments::of(self.arm, &self.values);
        let noise = self.error.map_or(f64::NAN, |error| (own.weight * error).powi(2));
        NameMoments { noise, ..own }
    }

    /// Weight of the parsed values.
    #[must_use]
    pub fn parsed(&self) -> f64 {
        self.values.iter().map(|v| v.1).sum()
    }
}

/// The standard error of each name's mean, where answers are independent draws, `(value, number of
/// draws)`: s/√n.
///
/// One draw does not show how far draws scatter. A name with a single draw therefore gets the
/// deviation that is pooled over the names with more: s² = Σ m2 / Σ (n − 1). `None` if no name has
/// two draws. A name without any has an error of 0, because it does not count.
#[must_use]
pub fn sampling_errors(names: &[NameAnswers]) -> Vec<Option<f64>> {
    let own: Vec<NameMoments> =
        names.iter().map(|name| NameMoments::of(name.arm, &name.values)).collect();
    let several = || own.iter().filter(|name| name.weight >= 2.0);
    let (squares, degrees) =
        several().fold((0.0, 0.0), |(squares, n), name| (squares + name.m2, n + name.weight - 1.0));
    let pooled = (degrees > 0.0).then(|| squares / degrees);
    own.iter()
        .map(|name| match name.weight {
            0.0 => Some(0.0),
            n if n >= 2.0 => Some((name.m2 / (n - 1.0) / n).sqrt()),
            n => pooled.map(|square| (square / n).sqrt()),
        })
        .collect()
}

/// The standard error of the mean `E = Σ w v / Σ w` of answers `(value, weight, draw)`. Answers
/// without a draw are exact. The others stand for the unexplored answers, and those of one draw
/// belong together. `draws` also counts draws that gave no value.
///
/// With `X_d = Σ w (v − E)` over the answers of draw `d`, and with all draws in their order, it is
/// √(n/(2(n − 1)) · Σ (X_d − X_d+1)²) / Σ w. This is the usual linearisation of a ratio (Cochran
/// 1977, section 6.3) with the successive differences of a systematic sample (Wolter 2007, chapter
/// 8), for draws that are spread evenly over the answers they stand for, in an order in which
/// neighbours are similar. For draws in random order it is the error of independent draws. A single
/// draw counts with its full size.
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
    let of = |draw: u32| sums.get(&draw).copied().unwrap_or(0.0);
    if draws == 1 {
        return of(0).abs() / mass;
    }
    let n = f64::from(draws);
    // Draws that came to no value differ from neighbours of their kind by 0: only those beside a
    // value are gone through, however many there are.
    let mut square = 0.0;
    for (&draw, own) in sums.range(..draws) {
        if draw > 0 {
            square += (own - of(draw - 1)).powi(2);
        }
        if draw + 1 < draws && !sums.contains_key(&(draw + 1)) {
            square += own.powi(2);
        }
    }
    (n / (2.0 * (n - 1.0)) * square).sqrt() / mass
}

/// The values of all names together.
pub(crate) fn pooled(answers: &[NameAnswers]) -> Vec<(f64, f64)> {
    answers.iter().flat_map(|a| a.values.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_those_of_draws_spread_evenly() {
        // Four draws of weight a quarter each, one of them split in two, one that came to nothing.
        let values =
            [(1.0, 0.25, Some(0)), (3.0, 0.25, Some(1)), (5.0, 0.1, Some(2)), (6.0, 0.15, Some(2))];
        let mean = (0.25 + 0.75 + 0.5 + 0.9) / 0.75;
        let x = [
            0.25 * (1.0 - mean),
            0.25 * (3.0 - mean),
            0.1 * (5.0 - mean) + 0.15 * (6.0 - mean),
            0.0,
        ];
        let steps: f64 = x.windows(2).map(|x: &[f64]| (x[0] - x[1]).powi(2)).sum();
        let by_hand = (4.0 / 6.0 * steps).sqrt() / 0.75;
        assert!((drawn_error(&values, 4) - by_hand).abs() < 1e-12);
        // One alone counts whole, and what is explored has none.
        assert!((drawn_error(&[(1.0, 0.5, None), (3.0, 0.5, Some(0))], 1) - 0.5).abs() < 1e-12);
        assert_eq!(drawn_error(&[(1.0, 0.5, None), (2.0, 0.5, None)], 0), 0.0);
        assert_eq!(drawn_error(&[(1.0, 0.5, None), (2.0, 0.0, None)], 3), 0.0);
        // Of any number of draws: each of both values differs from its neighbours, of which the
        // first has one.
        let far = [(1.0, 0.5, Some(0)), (2.0, 0.5, Some(9))];
        for draws in [11, u32::MAX] {
            let n = f64::from(draws);
            let by_hand = (n / (2.0 * (n - 1.0)) * 3.0 * 0.0625f64).sqrt();
            assert!((drawn_error(&far, draws) - by_hand).abs() < 1e-12, "{draws}");
        }
    }

    /// Shuffled, equal draws have the error of a mean, s/√n. In order they have a far smaller one.
    #[test]
    fn the_order_of_draws_says_how_alike_they_are() {
        let all = |place: &dyn Fn(u32) -> u32| -> Vec<(f64, f64, Option<u32>)> {
            (0..1009).map(|i| (f64::from(i), 0.001, Some(place(i)))).collect()
        };
        let counted: Vec<(f64, f64)> = (0..1009).map(|i| (f64::from(i), 1.0)).collect();
        // Powers of a primitive root come in no order.
        let shuffled: Vec<u32> = (0..1008)
            .scan(1u32, |p, _| Some(std::mem::replace(p, *p * 11 % 1009)))
            .chain([0])
            .collect();
        let counted = sampling_errors(&[name(counted)])[0].unwrap();
        let apart = drawn_error(&all(&|i| shuffled[i as usize]), 1009) / counted;
        assert!((0.9..1.1).contains(&apart), "{apart}");
        assert!(drawn_error(&all(&|i| i), 1009) < 0.01 * counted);
    }

    fn name(values: Vec<(f64, f64)>) -> NameAnswers {
        NameAnswers { arm: Arm::A, values, unparsed: 0.0, unexplored: 0.0, error: None }
    }

    /// A name with one draw is no more certain than one with two.
    #[test]
    fn a_single_draw_has_the_deviation_of_the_others() {
        let two = name(vec![(1.0, 1.0), (3.0, 1.0)]);
        let three = name(vec![(5.0, 2.0), (8.0, 1.0)]);
        let (one, none) = (name(vec![(4.0, 1.0)]), name(Vec::new()));
        let found = sampling_errors(&[two, three, one.clone(), none.clone()]);
        // Squared deviations of 2 with 1 degree of freedom, and of 6 with 2.
        let by_hand = [1.0, 1.0, (8.0f64 / 3.0).sqrt(), 0.0];
        for (found, by_hand) in found.into_iter().zip(by_hand) {
            assert!((found.unwrap() - by_hand).abs() < 1e-12);
        }
        assert_eq!(sampling_errors(&[one.clone(), none]), [None, Some(0.0)]);
        assert!(one.moments().noise.is_nan());
    }
}
