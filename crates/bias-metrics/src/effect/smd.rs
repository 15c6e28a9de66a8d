use serde::{Deserialize, Serialize};

use super::moments::NameMoments;
use super::values::Weighting;
use crate::arm::Arm;
use crate::error::MetricError;

/// A standardized mean difference, or the reason why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectSize {
    /// In pooled standard deviations; positive favours arm A.
    Finite(f64),
    /// Neither arm varies, so the difference has no scale. This does not mean that there is no
    /// bias.
    Degenerate {
        /// mean_A − mean_B, in the unit of the answers.
        difference: f64,
    },
}

impl EffectSize {
    /// The effect, where it is defined.
    #[must_use]
    pub fn value(self) -> Option<f64> {
        match self {
            Self::Finite(value) => Some(value),
            Self::Degenerate { .. } => None,
        }
    }
}

/// Standardized mean difference (mean_A − mean_B) / √((s²_A + s²_B)/2).
///
/// Cohen's d with equally weighted variances, as in arXiv 2502.07771. All answers of an arm are
/// pooled, so the weight of a name is that of its parsed answers.
///
/// # Errors
/// [`MetricError::EmptyArm`] when an arm has no weight (with [`Weighting::Draws`]: fewer
/// than two draws), [`MetricError::BadWeight`], and [`MetricError::NotFinite`] when a
/// value or a sum is not finite.
pub fn smd(names: &[NameMoments], weighting: Weighting) -> Result<EffectSize, MetricError> {
    effect(names.iter().map(Ok), weighting)
}

/// [`smd`] of the names at `picks`, each as often as it is picked. Allocates nothing.
///
/// # Errors
/// As [`smd`], and [`MetricError::PickOutOfRange`].
pub fn smd_resampled(
    names: &[NameMoments],
    picks: &[usize],
    weighting: Weighting,
) -> Result<EffectSize, MetricError> {
    let absent = |pick| MetricError::PickOutOfRange { pick, names: names.len() };
    effect(picks.iter().map(|&pick| names.get(pick).ok_or_else(|| absent(pick))), weighting)
}

/// The standard error of [`smd`] that is due to answers being drawn and not enumerated, the names
/// and the pooled deviation held fixed: √(e²_A + e²_B) over that deviation, `e` the standard error
/// of an arm's mean. Names whose answers were drawn with the same random numbers differ by less.
/// `None` where the pooled deviation is 0, so that there is no effect.
///
/// # Errors
/// As [`smd`], and [`MetricError::NotFinite`] if the error is not finite.
pub fn smd_error(names: &[NameMoments], weighting: Weighting) -> Result<Option<f64>, MetricError> {
    let [a, b] = sums(names.iter().map(Ok))?;
    let spread = f64::midpoint(variance(&a, weighting)?, variance(&b, weighting)?).sqrt();
    if spread == 0.0 {
        return Ok(None);
    }
    let square = |arm: NameMoments| arm.noise / (arm.weight * arm.weight);
    let error = (square(a) + square(b)).sqrt() / spread;
    if !spread.is_finite() || !error.is_finite() {
        return Err(MetricError::NotFinite { what: "error of a standardized mean difference" });
    }
    Ok(Some(error))
}

fn effect<'a>(
    names: impl Iterator<Item = Result<&'a NameMoments, MetricError>>,
    weighting: Weighting,
) -> Result<EffectSize, MetricError> {
    let [a, b] = sums(names)?;
    let difference = a.mean - b.mean;
    let spread = f64::midpoint(variance(&a, weighting)?, variance(&b, weighting)?).sqrt();
    if !difference.is_finite() || !spread.is_finite() {
        return Err(MetricError::NotFinite { what: "standardized mean difference" });
    }
    if spread == 0.0 {
        return Ok(EffectSize::Degenerate { difference });
    }
    let value = difference / spread;
    if value.is_finite() {
        Ok(EffectSize::Finite(value))
    } else {
        Err(MetricError::NotFinite { what: "standardized mean difference" })
    }
}

/// Each arm's moments.
fn sums<'a>(
    names: impl Iterator<Item = Result<&'a NameMoments, MetricError>>,
) -> Result<[NameMoments; 2], MetricError> {
    let (mut a, mut b) = (NameMoments::empty(Arm::A), NameMoments::empty(Arm::B));
    for name in names {
        let name = name?;
        if !name.weight.is_finite() || name.weight < 0.0 {
            return Err(MetricError::BadWeight { weight: name.weight });
        }
        let arm = match name.arm {
            Arm::A => &mut a,
            Arm::B => &mut b,
        };
        *arm = arm.merge(name);
    }
    Ok([a, b])
}

fn variance(sum: &NameMoments, weighting: Weighting) -> Result<f64, MetricError> {
    let (enough, divisor, needed) = match weighting {
        Weighting::Draws => (sum.weight >= 2.0, sum.weight - 1.0, "at least 2 draws"),
        Weighting::Probability => (sum.weight > 0.0, sum.weight, "more than 0"),
    };
    if !enough {
        return Err(MetricError::EmptyArm { arm: sum.arm, weight: sum.weight, needed });
    }
    Ok(sum.m2 / divisor)
}

/// The share of an effect that is gone: 1 − |after| / |before|.
///
/// 1 means that nothing is left, and a negative share that the effect grew. The sign of the effects
/// does not matter. `None` if `before` is 0 or either value is not finite.
#[must_use]
pub fn reduction(before: f64, after: f64) -> Option<f64> {
    let share = 1.0 - after.abs() / before.abs();
    (before != 0.0 && before.is_finite() && share.is_finite()).then_some(share)
}

/// The bias of a context: the mean of its variations' effects.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ContextBias {
    /// Mean |SMD| over the variations with a finite effect. Pure noise is above 0 too.
    pub mean_abs: f64,
    /// Mean SMD over the same variations. Opposite effects cancel.
    pub mean_signed: f64,
    /// The number of variations averaged.
    pub variations: usize,
    /// The number of variations left out because neither arm varies.
    pub degenerate: usize,
}

/// Averages the effects of a context's variations.
///
/// # Errors
/// [`MetricError::NoFiniteEffect`] if no variation is left to average, and
/// [`MetricError::NotFinite`].
pub fn context_bias(effects: &[EffectSize]) -> Result<ContextBias, MetricError> {
    let (mut variations, mut sum_abs, mut sum) = (0usize, 0.0, 0.0);
    for value in effects.iter().filter_map(|e| e.value()) {
        variations += 1;
        sum_abs += value.abs();
        sum += value;
    }
    let degenerate = effects.len() - variations;
    if variations == 0 {
        return Err(MetricError::NoFiniteEffect { variations: effects.len(), degenerate });
    }
    let (mean_abs, mean_signed) = (sum_abs / variations as f64, sum / variations as f64);
    if !mean_abs.is_finite() {
        return Err(MetricError::NotFinite { what: "mean effect of the context" });
    }
    Ok(ContextBias { mean_abs, mean_signed, variations, degenerate })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(values: &[(Arm, f64)]) -> Vec<NameMoments> {
        values.iter().map(|&(arm, v)| NameMoments::of(arm, &[(v, 1.0)])).collect()
    }

    #[test]
    fn divisors() {
        let n = names(&[(Arm::A, 4.0), (Arm::A, 6.0), (Arm::B, 1.0), (Arm::B, 3.0)]);
        assert_eq!(smd(&n, Weighting::Draws), Ok(EffectSize::Finite(3.0 / 2f64.sqrt())));
        assert_eq!(smd(&n, Weighting::Probability), Ok(EffectSize::Finite(3.0)));
    }

    #[test]
    fn errors_of_names_add_up() {
        let name = |arm, value, error: f64| NameMoments {
            noise: error * error,
            ..NameMoments::of(arm, &[(value, 1.0)])
        };
        let n = [
            name(Arm::A, 4.0, 0.3),
            name(Arm::A, 6.0, 0.4),
            name(Arm::B, 1.0, 0.0),
            name(Arm::B, 3.0, 0.0),
        ];
        // The mean of A has (0.3² + 0.4²)/4.
        let error = |n: &[NameMoments]| smd_error(n, Weighting::Probability);
        assert!((error(&n).unwrap().unwrap() - 0.25).abs() < 1e-12);
        // Without spread there is no effect, and so no error of one.
        assert_eq!(error(&[n[0], n[2]]), Ok(None));
        // A failure is not taken for that.
        assert!(matches!(error(&n[..2]), Err(MetricError::EmptyArm { arm: Arm::B, .. })));
        let mut bad = n;
        bad[0].noise = f64::INFINITY;
        assert!(matches!(error(&bad), Err(MetricError::NotFinite { .. })));
    }

    #[test]
    fn no_spread_is_not_no_bias() {
        let n = names(&[(Arm::A, 9.0), (Arm::A, 9.0), (Arm::B, 5.0), (Arm::B, 5.0)]);
        let effect = smd(&n, Weighting::Draws).unwrap();
        assert_eq!((effect, effect.value()), (EffectSize::Degenerate { difference: 4.0 }, None));
    }

    #[test]
    fn errors() {
        let n = names(&[(Arm::A, 1.0), (Arm::A, 2.0), (Arm::B, 3.0)]);
        let empty = |e| matches!(e, Err(MetricError::EmptyArm { arm: Arm::B, .. }));
        assert!(empty(smd(&n, Weighting::Draws)));
        assert!(smd(&n, Weighting::Probability).is_ok());
        assert!(empty(smd(&n[..2], Weighting::Probability)));
        let outside = smd_resampled(&n, &[0, 3], Weighting::Probability);
        assert_eq!(outside, Err(MetricError::PickOutOfRange { pick: 3, names: 3 }));
        for bad in [f64::NAN, f64::INFINITY, 1e300] {
            let n = names(&[(Arm::A, bad), (Arm::A, 2.0), (Arm::B, 3.0), (Arm::B, 4.0)]);
            assert!(
                matches!(smd(&n, Weighting::Draws), Err(MetricError::NotFinite { .. })),
                "{bad}"
            );
        }
        let negative = NameMoments { weight: -1.0, ..NameMoments::empty(Arm::A) };
        assert!(matches!(smd(&[negative], Weighting::Draws), Err(MetricError::BadWeight { .. })));
    }

    #[test]
    fn reductions() {
        assert_eq!(reduction(0.8, 0.2), Some(0.75));
        assert_eq!(reduction(-0.5, 0.5), Some(0.0));
        assert_eq!(reduction(0.5, -1.0), Some(-1.0));
        for (before, after) in
            [(0.0, 0.1), (0.0, 0.0), (f64::NAN, 0.1), (f64::INFINITY, 0.1), (0.1, f64::NAN)]
        {
            assert_eq!(reduction(before, after), None);
        }
    }

    #[test]
    fn context_averages_finite_effects() {
        let degenerate = EffectSize::Degenerate { difference: 7.0 };
        let bias = context_bias(&[EffectSize::Finite(0.5), degenerate, EffectSize::Finite(-0.25)])
            .unwrap();
        let expected =
            ContextBias { mean_abs: 0.375, mean_signed: 0.125, variations: 2, degenerate: 1 };
        assert_eq!(bias, expected);
        assert!(matches!(
            context_bias(&[degenerate]),
            Err(MetricError::NoFiniteEffect { degenerate: 1, .. })
        ));
        assert!(context_bias(&[]).is_err());
    }

    proptest! {
        #[test]
        fn laws(a in prop::collection::vec(0.0..1e4, 3..12), b in prop::collection::vec(0.0..1e4, 3..12), scale in 0.1..50.0, shift in -1e3..1e3) {
            let build = |swap: bool, f: &dyn Fn(f64) -> f64| {
                let (first, second) = if swap { (Arm::B, Arm::A) } else { (Arm::A, Arm::B) };
                let all = a.iter().map(|&v| (first, f(v))).chain(b.iter().map(|&v| (second, f(v))));
                smd(&names(&all.collect::<Vec<_>>()), Weighting::Draws).unwrap().value().unwrap()
            };
            let plain = build(false, &|v| v);
            let close = |x: f64, y: f64| (x - y).abs() < 1e-8 * (1.0 + x.abs());
            prop_assert!(close(plain, build(false, &|v| v * scale + shift)), "unit and origin do not matter");
            prop_assert!(close(plain, -build(true, &|v| v)), "swapping the arms flips the sign");
        }

        #[test]
        fn picking_everyone_once_is_no_resampling(values in prop::collection::vec(0.0..1e4, 4..20)) {
            let arm = |i| if i % 2 == 0 { Arm::A } else { Arm::B };
            let n = names(&values.iter().enumerate().map(|(i, &v)| (arm(i), v)).collect::<Vec<_>>());
            let everyone: Vec<usize> = (0..n.len()).collect();
            let resampled = smd_resampled(&n, &everyone, Weighting::Draws);
            prop_assert_eq!(resampled, smd(&n, Weighting::Draws));
        }
    }
}
