//! A person's value on a scale, and its derivatives with respect to the log-probabilities of the
//! answers.

use bias_types::prompt::Scale;

use super::prompt_case::PossibleAnswer;

/// The value on a scale of answers given as `(value, ln weight, tokens)`. `None` if no answer that
/// counts has any weight.
///
/// ```
/// use bias_attrib::contrast::{Scale, summed_up};
///
/// // "yes" with probability 0.3, "no" with 0.1.
/// let answers = [(1.0, 0.3f64.ln(), 1), (0.0, 0.1f64.ln(), 1)];
/// let odds = summed_up(Scale::LogOdds { per_token: false }, &answers);
/// assert!((odds.unwrap_or_default() - 3f64.ln()).abs() < 1e-12);
/// ```
#[must_use]
pub fn summed_up(scale: Scale, answers: &[(f64, f64, usize)]) -> Option<f64> {
    let (logs, answers): (Vec<f64>, Vec<Weighed>) = answers
        .iter()
        .map(|&(value, log, tokens)| (log, Weighed { value: Some(value), tokens }))
        .unzip();
    of(scale, &answers, &logs).map(|own| own.value)
}

/// An answer without its weight.
struct Weighed {
    value: Option<f64>,
    tokens: usize,
}

/// A person's answers on a [`Scale`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expected {
    pub value: f64,
    /// Variance of the answers around the value; 0 on a scale where a person has one value.
    pub variance: f64,
    /// `∂value/∂(log p)` of each answer.
    pub slopes: Vec<f64>,
}

impl Expected {
    /// A slope below this share of the value is a rounding error of a slope of 0.
    const ROUNDING: f64 = 1e-12;

    /// Whether other probabilities of the answers would change the value.
    pub(crate) fn varies(&self) -> bool {
        self.slopes.iter().any(|slope| slope.abs() > Self::ROUNDING * self.value.abs())
    }
}

/// The value of answers whose weights are the exponentials of `log_weights`. `None` if no answer
/// that counts has any weight.
pub(crate) fn expected(
    scale: Scale,
    answers: &[PossibleAnswer],
    log_weights: &[f64],
) -> Option<Expected> {
    let weighed = answers.iter().map(|a| Weighed { value: a.value, tokens: a.tokens.len() });
    of(scale, &weighed.collect::<Vec<_>>(), log_weights)
}

fn of(scale: Scale, answers: &[Weighed], log_weights: &[f64]) -> Option<Expected> {
    match scale {
        Scale::Mean => mean(answers, log_weights),
        // Each person has one value.
        Scale::Share => mean(answers, log_weights).map(|own| Expected { variance: 0.0, ..own }),
        Scale::LogOdds { per_token } => log_odds(answers, log_weights, per_token),
    }
}

/// `Σ w v / Σ w`, and `w (v − E) / Σ w`.
fn mean(answers: &[Weighed], log_weights: &[f64]) -> Option<Expected> {
    let valued = || answers.iter().zip(log_weights).filter_map(|(a, log)| Some((a.value?, *log)));
    // Scaled so that the largest weight is 1: they cannot all underflow.
    let largest = valued().map(|(_, log)| log).fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return None;
    }
    let weight = |log: f64| (log - largest).exp();
    let mass: f64 = valued().map(|(_, log)| weight(log)).sum();
    let over =
        |of: fn(f64) -> f64| valued().map(|(v, log)| weight(log) * of(v)).sum::<f64>() / mass;
    let (value, square) = (over(|v| v), over(|v| v * v));
    let slope = |(answer, log): (&Weighed, &f64)| {
        answer.value.map_or(0.0, |v| weight(*log) / mass * (v - value))
    };
    let slopes = answers.iter().zip(log_weights).map(slope).collect();
    Some(Expected { value, variance: (square - value * value).max(0.0), slopes })
}

/// `ln F − ln O`, `F = Σ u v` and `O = Σ u (1 − v)` with `u = w^e`, and `e u (v/F − (1 − v)/O)`;
/// `e` is 1, or one over an answer's number of tokens.
fn log_odds(answers: &[Weighed], log_weights: &[f64], per_token: bool) -> Option<Expected> {
    let exponent = |a: &Weighed| if per_token { 1.0 / a.tokens.max(1) as f64 } else { 1.0 };
    // On each side, weights are scaled so that the largest is 1.
    let side = |own: fn(f64) -> f64| {
        let logs = || {
            let each = answers.iter().zip(log_weights);
            each.filter_map(move |(a, log)| {
                let log = exponent(a) * log + own(a.value?).ln();
                (log > f64::NEG_INFINITY).then_some(log)
            })
        };
        let largest = logs().fold(f64::NEG_INFINITY, f64::max);
        (largest > f64::NEG_INFINITY)
            .then(|| largest + logs().map(|log| (log - largest).exp()).sum::<f64>().ln())
    };
    let (favourable, other) = (side(|v| v)?, side(|v| 1.0 - v)?);
    let slope = |(answer, log): (&Weighed, &f64)| {
        let (e, Some(v)) = (exponent(answer), answer.value) else { return 0.0 };
        let share =
            |weight: f64, all: f64| if weight > 0.0 { weight * (e * log - all).exp() } else { 0.0 };
        e * (share(v, favourable) - share(1.0 - v, other))
    };
    let slopes = answers.iter().zip(log_weights).map(slope).collect();
    Some(Expected { value: favourable - other, variance: 0.0, slopes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(value: Option<f64>, weight: f64, tokens: usize) -> PossibleAnswer {
        PossibleAnswer { tokens: vec![3; tokens], finished: true, value, weight, until: None }
    }

    fn logs(answers: &[PossibleAnswer]) -> Vec<f64> {
        answers.iter().map(|a| a.weight.ln()).collect()
    }

    fn choice() -> Vec<PossibleAnswer> {
        vec![
            answer(Some(1.0), 0.2, 1),
            answer(Some(1.0), 0.05, 3),
            answer(Some(0.0), 0.1, 2),
            answer(None, 0.65, 1),
        ]
    }

    #[test]
    fn a_mean_is_of_what_has_a_value() {
        let answers =
            [answer(Some(10.0), 0.2, 1), answer(Some(20.0), 0.6, 1), answer(None, 0.2, 1)];
        let found = expected(Scale::Mean, &answers, &logs(&answers)).unwrap();
        assert!((found.value - 17.5).abs() < 1e-12 && (found.variance - 18.75).abs() < 1e-9);
        assert_eq!(expected(Scale::Mean, &answers[2..], &logs(&answers[2..])), None);
        let nothing = [answer(Some(1.0), 0.0, 1)];
        assert_eq!(expected(Scale::Mean, &nothing, &logs(&nothing)), None);
    }

    #[test]
    fn log_odds_are_of_what_is_favourable_to_what_is_not() {
        let answers = choice();
        let found =
            expected(Scale::LogOdds { per_token: false }, &answers, &logs(&answers)).unwrap();
        assert!((found.value - (0.25f64 / 0.1).ln()).abs() < 1e-12);
        let found =
            expected(Scale::LogOdds { per_token: true }, &answers, &logs(&answers)).unwrap();
        let by_hand = (0.2 + 0.05f64.cbrt()).ln() - 0.1f64.sqrt().ln();
        assert!((found.value - by_hand).abs() < 1e-12);
        // One side alone has no odds, and very small probabilities have.
        assert_eq!(
            expected(Scale::LogOdds { per_token: false }, &answers[..2], &logs(&answers[..2])),
            None
        );
        let tiny: Vec<f64> = logs(&answers).iter().map(|log| log - 5000.0).collect();
        let found = expected(Scale::LogOdds { per_token: false }, &answers, &tiny).unwrap();
        assert!((found.value - (0.25f64 / 0.1).ln()).abs() < 1e-9);
    }

    #[test]
    fn slopes_are_finite_differences() {
        for scale in [
            Scale::Mean,
            Scale::Share,
            Scale::LogOdds { per_token: false },
            Scale::LogOdds { per_token: true },
        ] {
            let answers = choice();
            let base = logs(&answers);
            let found = expected(scale, &answers, &base).unwrap();
            for (i, slope) in found.slopes.iter().enumerate() {
                let at = |step: f64| {
                    let mut moved = base.clone();
                    moved[i] += step;
                    expected(scale, &answers, &moved).unwrap().value
                };
                let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
                assert!(
                    (difference - slope).abs() < 1e-8,
                    "{scale}, answer {i}: {difference} and {slope}"
                );
            }
        }
    }
}
