use bias_metrics::error::present;
use bias_metrics::inference::{Design, benjamini_hochberg, holm};
use bias_metrics::{Arm, EffectSize, MetricError, NameMoments, Permutation, smd};

use super::measured::Measured;
use crate::results::{ALPHA, Significance};

/// The significance of every variation of one context that has an effect. Empty if there are too
/// few names to relabel.
pub(crate) fn significances(
    variations: &[&Measured],
    arms: &[Arm],
    seed: u64,
) -> Result<Vec<Option<Significance>>, MetricError> {
    let test = |own: &&Measured| {
        let relabelled = |arms: &[Arm]| {
            let moments =
                own.moments.iter().zip(arms).map(|(own, arm)| NameMoments { arm: *arm, ..*own });
            let effect = present(smd(&moments.collect::<Vec<_>>(), own.weighting))?;
            Ok(effect.map(far))
        };
        let none = EffectSize::Degenerate { difference: 0.0 };
        if present(smd(&own.moments, own.weighting))?.is_none_or(|effect| effect == none) {
            return Ok(None);
        }
        Ok(present(Permutation::new(seed).test(arms, relabelled))?.map(|found| found.p))
    };
    let p: Vec<Option<f64>> = variations.iter().map(test).collect::<Result<_, _>>()?;
    let known: Vec<f64> = p.iter().copied().flatten().collect();
    let mut corrected = holm(&known)?.into_iter().zip(benjamini_hochberg(&known)?);
    Ok(p.into_iter()
        .map(|p| {
            let p = p?;
            let (holm, false_discovery) = corrected.next()?;
            Some(Significance { p, holm, false_discovery })
        })
        .collect())
}

/// An effect as a distance from none. A difference without any spread within the groups is farther
/// than all that have one.
fn far(effect: EffectSize) -> f64 {
    match effect {
        EffectSize::Finite(value) => value,
        EffectSize::Degenerate { difference: 0.0 } => 0.0,
        EffectSize::Degenerate { difference } => f64::MAX.copysign(difference),
    }
}

/// The power that a design should have.
const POWER: f64 = 0.8;

/// The smallest standardized mean difference that a test over these names finds in four of five
/// cases, at the 5 % level, in one variation. It is the mean over variations, each with the share
/// of its variance that lies between names. `None` if a group has fewer than two names, if names do
/// not vary, or if there are so few that no difference of theirs is significant.
pub(crate) fn detectable(
    variations: &[&Measured],
    arms: &[Arm],
) -> Result<Option<f64>, MetricError> {
    let names = [Arm::A, Arm::B].map(|side| arms.iter().filter(|arm| **arm == side).count());
    if names.iter().any(|count| *count < 2) || Permutation::new(0).smallest_p(names) > ALPHA {
        return Ok(None);
    }
    let among_names = Design { names, alpha: ALPHA }.minimum_detectable(POWER)?;
    let shares: Vec<f64> = variations.iter().filter_map(|own| between(&own.moments)).collect();
    let mean = shares.iter().map(|share| share.sqrt()).sum::<f64>() / shares.len() as f64;
    Ok(Some(among_names * mean).filter(|v| v.is_finite()))
}

/// The variance of names' means within groups over that of all answers within groups.
fn between(moments: &[NameMoments]) -> Option<f64> {
    let of = |side: Arm| {
        let own = || moments.iter().filter(move |m| m.arm == side && m.weight > 0.0);
        let all = own().fold(NameMoments::empty(side), |sum, m| sum.merge(m));
        let means: Vec<(f64, f64)> = own().map(|m| (m.mean, 1.0)).collect();
        let names = NameMoments::of(side, &means);
        (names.weight >= 2.0).then(|| [names.m2 / (names.weight - 1.0), all.m2 / all.weight])
    };
    let [a, b] = [of(Arm::A)?, of(Arm::B)?];
    let share = (a[0] + b[0]) / (a[1] + b[1]);
    share.is_finite().then_some(share)
}

#[cfg(test)]
mod tests {
    use bias_metrics::Weighting;

    use super::*;

    fn answered(names: &[(Arm, f64)]) -> (Measured, Vec<Arm>) {
        let moments = names.iter().map(|(arm, value)| NameMoments::of(*arm, &[(*value, 1.0)]));
        let measured = Measured {
            moments: moments.collect(),
            weighting: Weighting::Probability,
            shares: vec![(1.0, 1.0); names.len()],
            unanswered: vec![(0.0, 1.0); names.len()],
            unexplored: 0.0,
            estimated: 0.0,
            bounds: None,
        };
        (measured, names.iter().map(|(arm, _)| *arm).collect())
    }

    /// Two groups that are answered differently without exception are as far apart as can be.
    #[test]
    fn a_difference_without_a_scale_is_tested() {
        let groups = |of_a: [f64; 4], of_b: [f64; 4]| {
            let a = of_a.map(|value| (Arm::A, value));
            let b = of_b.map(|value| (Arm::B, value));
            let (measured, arms) = answered(&[a, b].concat());
            significances(&[&measured], &arms, 0).unwrap()[0].map(|found| found.p)
        };
        let least = 2.0 / 70.0;
        assert_eq!(groups([300.0; 4], [245.0; 4]), Some(least));
        assert_eq!(groups([300.0; 4], [300.0; 4]), None);
        assert_eq!(groups([300.0, 301.0, 300.0, 300.0], [245.0; 4]), Some(least));
    }

    /// Four names of each group cannot differ significantly in one variation of two, and three not
    /// in any.
    #[test]
    fn nothing_is_detectable_where_nothing_can_be_significant() {
        let of = |each: usize| {
            let side = |arm| (0..each).map(move |i| (arm, f64::from(u8::try_from(i).unwrap())));
            let (measured, arms) = answered(&side(Arm::A).chain(side(Arm::B)).collect::<Vec<_>>());
            detectable(&[&measured], &arms).unwrap()
        };
        assert_eq!(of(3), None);
        assert!(of(4).is_some_and(|d| d > 0.5));
    }
}
