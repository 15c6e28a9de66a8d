//! The gap of a target in the direction that the attribution half has, before and after a change.

use bias_metrics::effect::smd;
use bias_metrics::error::present;
use bias_metrics::{Arm, MetricError, NameMoments, Permutation};
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use super::jobs::test;
use crate::StudyError;
use crate::plan::Test;
use crate::prompts::{PromptSet, arms};
use crate::results::{Estimate, Power, Target};
use crate::seed::derived_seed;
use crate::statistics::{Measure, Measured, Reference, spread};

/// The level at which a gap counts as measured.
const ALPHA: f64 = 0.05;
/// What a normal estimate must lie above 0, in standard errors, to be found in four of five cases at
/// the 5 % level.
const FOUND: f64 = 1.959_964 + 0.841_621;
/// The number of labellings that say how large gaps are by chance.
const LABELLINGS: usize = 200;
/// Fewer names of a side have no spread.
const FEWEST: usize = 2;

/// A target with its direction.
pub(super) struct Gap {
    pub target: Target,
    pub test: Test,
    pub arms: Vec<Arm>,
    /// For each variation, whether A is favoured (1) or B (−1), by the names of the attribution
    /// half; `None` if that half has no SMD.
    pub signs: Vec<Option<f64>>,
    pub power: Power,
}

impl Gap {
    /// A target on the unchanged model.
    pub(super) fn of(
        target: &Target,
        prompts: &PromptSet,
        reference: &Reference,
        measure: &Measure,
        seed: u64,
    ) -> Result<Self, StudyError> {
        let test = test(prompts, target);
        let arms = arms(prompts, test.context, prompts.tested());
        let (mut signs, mut before) = (Vec::new(), Vec::new());
        for place in &test.places {
            let said = reference.answers[place].said(prompts.attributed(), measure.sampled);
            let seen = measure.effect(&measure.reduce(said, None)?)?;
            let seen = seen.and_then(|own| own.value()).filter(|own| *own != 0.0);
            signs.push(seen.map(f64::signum));
            before.push(&reference.tested[place]);
        }
        let power = power(target, &arms, &signs, &before, measure, seed)?;
        Ok(Self { target: target.clone(), test, arms, signs, power })
    }

    /// The unchanged model's numbers.
    pub(super) fn before<'r>(&self, reference: &'r Reference) -> Vec<&'r Measured> {
        self.test.places.iter().map(|place| &reference.tested[place]).collect()
    }

    /// The gap before and after, for a pick of names.
    pub(super) fn pair(
        &self,
        before: &[&Measured],
        after: &[&Measured],
        picks: &[usize],
    ) -> Result<Option<[f64; 2]>, MetricError> {
        Measure::mean_turned_pair(before, after, &self.signs, picks)
    }

    /// Each name's mean answer over the variations, as its distance from the mean of all names in
    /// standard deviations and in their directions; the difference of the groups' means of it is the
    /// gap. `None` for a name without a value.
    pub(super) fn by_name(&self, measured: &[&Measured]) -> Vec<Option<f64>> {
        by_name(self.arms.len(), &self.signs, measured)
    }

    /// The probability by chance of the difference between two changes, or between before and
    /// after, if labels of names say nothing about it.
    pub(super) fn differ(
        &self,
        first: &[&Measured],
        second: &[&Measured],
        seed: u64,
    ) -> Result<Option<f64>, MetricError> {
        let apart = apart(&self.by_name(first), &self.by_name(second));
        relabelled(&self.arms, &apart, derived_seed(seed, "differ"))
    }
}

/// The first less the second, of names that have both.
pub(super) fn apart(first: &[Option<f64>], second: &[Option<f64>]) -> Vec<Option<f64>> {
    first.iter().zip(second).map(|(a, b)| Some((*a)? - (*b)?)).collect()
}

fn by_name(names: usize, signs: &[Option<f64>], measured: &[&Measured]) -> Vec<Option<f64>> {
    let mut sums = vec![(0.0, 0u32); names];
    for (own, sign) in measured.iter().zip(signs) {
        let (Some(sign), Some(scale)) = (sign, spread(own)) else { continue };
        let known = || own.moments.iter().filter(|name| name.weight > 0.0);
        // A name that lacks a variation must not lack its level.
        let level = known().map(|name| name.mean).sum::<f64>() / known().count() as f64;
        for (name, (sum, count)) in own.moments.iter().zip(&mut sums) {
            if name.weight > 0.0 {
                *sum += sign * (name.mean - level) / scale;
                *count += 1;
            }
        }
    }
    sums.into_iter().map(|(sum, count)| (count > 0).then(|| sum / f64::from(count))).collect()
}

/// The probability that labels dealt anew have numbers of names as far apart as they are.
pub(super) fn relabelled(
    arms: &[Arm],
    numbers: &[Option<f64>],
    seed: u64,
) -> Result<Option<f64>, MetricError> {
    let known = arms.iter().zip(numbers).filter_map(|(arm, own)| Some((*arm, (*own)?)));
    let (arms, numbers): (Vec<Arm>, Vec<f64>) = known.unzip();
    let count = |side: Arm| arms.iter().filter(|arm| **arm == side).count();
    if [Arm::A, Arm::B].into_iter().any(|side| count(side) < FEWEST) {
        return Ok(None);
    }
    let statistic = |labels: &[Arm]| {
        let mean = |side: Arm| {
            let own = numbers.iter().zip(labels).filter(|(_, arm)| **arm == side);
            let (sum, n) = own.fold((0.0, 0.0), |(sum, n), (own, _)| (sum + own, n + 1.0));
            sum / n
        };
        Ok(Some(mean(Arm::A) - mean(Arm::B)))
    };
    Ok(present(Permutation::new(seed).test(&arms, statistic))?.map(|found| found.p))
}

fn power(
    target: &Target,
    arms: &[Arm],
    signs: &[Option<f64>],
    before: &[&Measured],
    measure: &Measure,
    seed: u64,
) -> Result<Power, MetricError> {
    let mut variations = 0;
    for (own, sign) in before.iter().zip(signs) {
        let effect = measure.effect(own)?.and_then(|own| own.value());
        variations += usize::from(sign.is_some() && effect.is_some());
    }
    let gap = measure.estimate(arms, |picks| {
        Ok(Measure::mean_turned_pair(before, before, signs, picks)?.map(|[own, _]| own))
    })?;
    let numbers = by_name(arms.len(), signs, before);
    let p = relabelled(arms, &numbers, derived_seed(seed, "power"))?;
    let error = standard_error(arms, &numbers);
    let above = gap.value.is_finite() && gap.value > 0.0;
    let reason = match p {
        _ if variations == 0 => Some(
            "no variation has both a direction and a gap: everybody is answered alike, or too few \
             answers say what was asked",
        ),
        None => Some("a side has fewer than two names with values"),
        Some(_) if !above => Some("the tested names have no gap in the direction of those seen"),
        Some(p) if p >= ALPHA => Some("the gap cannot be told from 0 on the tested names"),
        Some(_) => None,
    };
    Ok(Power {
        target: target.clone(),
        variations,
        gap,
        p,
        smallest_reduction: error.filter(|_| above).map(|error| FOUND * error / gap.value),
        measurable: reason.is_none(),
        reason: reason.map(str::to_owned),
    })
}

/// The standard error of the difference of the groups' means of these numbers of names.
fn standard_error(arms: &[Arm], numbers: &[Option<f64>]) -> Option<f64> {
    let of = |side: Arm| {
        let own: Vec<(f64, f64)> = arms
            .iter()
            .zip(numbers)
            .filter_map(|(arm, own)| Some(((*own)?, 1.0)).filter(|_| *arm == side))
            .collect();
        let all = NameMoments::of(side, &own);
        (all.weight >= 2.0).then(|| all.m2 / (all.weight - 1.0) / all.weight)
    };
    Some((of(Arm::A)? + of(Arm::B)?).sqrt()).filter(|own| own.is_finite())
}

/// The mean |SMD| of these variations when labels are dealt anew.
pub(super) fn size_by_chance(
    arms: &[Arm],
    measured: &[&Measured],
    seed: u64,
) -> Result<Option<f64>, MetricError> {
    let mut rng = ChaCha8Rng::seed_from_u64(derived_seed(seed, "size by chance"));
    let mut labels = arms.to_vec();
    let (mut sum, mut count) = (0.0, 0usize);
    for _ in 0..LABELLINGS {
        labels.shuffle(&mut rng);
        for own in measured {
            let relabelled = own.moments.iter().zip(&labels);
            let relabelled: Vec<NameMoments> =
                relabelled.map(|(own, arm)| NameMoments { arm: *arm, ..*own }).collect();
            let effect = present(smd(&relabelled, own.weighting))?;
            if let Some(value) = effect.and_then(|own| own.value()) {
                sum += value.abs();
                count += 1;
            }
        }
    }
    Ok((count > 0).then(|| sum / count as f64))
}

/// A number that does not exist.
pub(super) const NONE: Estimate = Estimate { value: f64::NAN, interval: None };

#[cfg(test)]
mod tests {
    use super::*;
    use bias_metrics::Weighting;

    fn measured(a: f64, b: f64) -> Measured {
        let side = |arm, mean: f64| {
            (0..6).map(move |i| NameMoments::of(arm, &[(mean + f64::from(i) - 2.5, 1.0)]))
        };
        let moments: Vec<NameMoments> = side(Arm::A, a).chain(side(Arm::B, b)).collect();
        Measured {
            shares: vec![(1.0, 1.0); moments.len()],
            unanswered: vec![(0.0, 1.0); moments.len()],
            moments,
            weighting: Weighting::Probability,
            unexplored: 0.0,
            estimated: 0.0,
            bounds: None,
        }
    }

    /// The gap is what the names' numbers say; its direction is given from outside, and a gap in
    /// another direction or without one is not measured.
    #[test]
    fn what_can_be_found_follows_from_names() {
        let measure =
            Measure::new(&crate::results::Settings { resamples: 60, ..Default::default() });
        let measure = measure.unwrap();
        let arms: Vec<Arm> = [[Arm::A; 6], [Arm::B; 6]].concat();
        let target = Target::Home("pay".parse().unwrap());
        let (wide, narrow) = (measured(8.0, 0.0), measured(0.1, 0.0));
        let of =
            |own: &Measured, sign| power(&target, &arms, &[sign], &[own], &measure, 0).unwrap();
        let found = of(&wide, Some(1.0));
        assert!(found.measurable && found.p.is_some_and(|p| p < 0.01), "{found:?}");
        let numbers = by_name(arms.len(), &[Some(1.0)], &[&wide]);
        let mean = |from: usize| numbers[from..from + 6].iter().flatten().sum::<f64>() / 6.0;
        assert!((mean(0) - mean(6) - found.gap.value).abs() < 1e-9, "{found:?}");
        // Standard errors of means of six: 2.8 of them over the gap.
        let error = (2.0 * 3.5 / 6.0 / (35.0 / 12.0_f64)).sqrt();
        let smallest = FOUND * error / found.gap.value;
        assert!((found.smallest_reduction.unwrap() - smallest).abs() < 1e-9, "{found:?}");
        let weak = of(&narrow, Some(1.0));
        assert!(
            !weak.measurable && weak.smallest_reduction.is_some_and(|own| own > 1.0),
            "{weak:?}"
        );
        let other = of(&wide, Some(-1.0));
        assert!(other.reason.is_some_and(|own| own.contains("direction of those seen")));
        let none = of(&wide, None);
        assert!(none.gap.value.is_nan() && none.variations == 0 && !none.measurable);
    }

    /// Variations have levels far apart; one name lacks an answer to one of them.
    #[test]
    fn a_missing_answer_does_not_move_its_name_by_the_level() {
        let mut far = measured(8.0, 0.0);
        far.moments.iter_mut().for_each(|name| name.mean += 1e4);
        far.moments[0].weight = 0.0;
        let near = measured(8.0, 0.0);
        let arms: Vec<Arm> = [[Arm::A; 6], [Arm::B; 6]].concat();
        let numbers = by_name(arms.len(), &[Some(1.0); 2], &[&near, &far]);
        let p = relabelled(&arms, &numbers, 0).unwrap().unwrap();
        assert!(numbers[0].is_some_and(|own| own.abs() < 3.0) && p < 0.01, "{numbers:?}, {p}");
    }

    #[test]
    fn chance_gives_sizes_too() {
        let arms: Vec<Arm> = [[Arm::A; 6], [Arm::B; 6]].concat();
        let own = measured(0.0, 0.0);
        let size = size_by_chance(&arms, &[&own], 0).unwrap().unwrap();
        // About √(2/π · 2/6 · 12/11).
        assert!((0.35..0.65).contains(&size), "{size}");
    }
}
