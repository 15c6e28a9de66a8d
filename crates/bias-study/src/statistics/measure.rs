use bias_metrics::effect::{smd_error, smd_resampled};
use bias_metrics::robust::{
    TukeyFences, explored_range, inlier_share, smd_bounds, weighted_quantile, winsorise,
};
use bias_metrics::{Arm, Bootstrap, EffectSize, MetricError, NameAnswers, Weighting, smd};
use bias_model::Decoding;

use super::measured::Measured;
use super::significance::significances;
use crate::ask::Said;
use crate::results::{Estimate, QUANTILES, Settings, Significance};

/// How numbers become estimates: the settings that matter, in one place.
pub(crate) struct Measure {
    /// Whether free answers are sampled, and not enumerated.
    pub sampled: bool,
    winsorise: [f64; 2],
    pub tukey_k: f64,
    bootstrap: Bootstrap,
    seed: u64,
}

impl Measure {
    pub(crate) fn new(settings: &Settings) -> Result<Self, MetricError> {
        Ok(Self {
            sampled: !matches!(settings.decoding, Decoding::Exact { .. }),
            winsorise: settings.winsorise,
            tukey_k: settings.tukey_k,
            bootstrap: Bootstrap::new(settings.seed).resamples(settings.resamples)?,
            seed: settings.seed,
        })
    }

    /// Reduces one variation's answers; fences come from the unpruned model's. Without
    /// any (it never gave a number) nothing is within.
    pub(crate) fn reduce(&self, said: Said, fences: Option<&TukeyFences>) -> Result<Measured, MetricError> {
        let Said { weighting, mut names, unanswered, estimated, drawn } = said;
        let share = |a: &NameAnswers| {
            fences.map_or_else(|| (0.0, a.parsed() + a.unparsed), |fences| inlier_share(a, fences))
        };
        let shares = names.iter().map(share).collect();
        let count = names.len().max(1) as f64;
        let unexplored = names.iter().map(|a| a.unexplored).sum::<f64>() / count;
        let estimated = estimated.iter().sum::<f64>() / count;
        self.clamp(&mut names)?;
        // Of the values that count, so after they were clamped.
        names.iter_mut().zip(drawn).for_each(|(name, own)| name.error = own.error(&name.values));
        // Of what was drawn nothing is certain.
        let exact = weighting == Weighting::Probability && estimated == 0.0;
        let bounds = explored_range(&names).filter(|_| exact).and_then(|r| smd_bounds(&names, r));
        let moments = names.iter().map(NameAnswers::moments).collect();
        Ok(Measured { moments, weighting, shares, unanswered, unexplored, estimated, bounds })
    }

    /// Clamps one variation's answers to the wanted quantiles.
    fn clamp(&self, answers: &mut [NameAnswers]) -> Result<(), MetricError> {
        let [low, high] = self.winsorise;
        let any = answers.iter().any(|a| !a.values.is_empty());
        if any { winsorise(answers, low, high) } else { Ok(()) }
    }

    /// [`QUANTILES`] of each group's clamped answers; `turned` says that values were turned round, and turns them back.
    pub(crate) fn distribution(
        &self,
        mut answers: Vec<NameAnswers>,
        turned: bool,
    ) -> Result<[Option<[f64; 5]>; 2], MetricError> {
        self.clamp(&mut answers)?;
        let sign = if turned { -1.0 } else { 1.0 };
        let quantiles = |arm: Arm| {
            let own = answers.iter().filter(|a| a.arm == arm).flat_map(|a| &a.values);
            let own: Vec<(f64, f64)> = own.map(|(value, weight)| (sign * value, *weight)).collect();
            if own.iter().all(|(_, weight)| *weight == 0.0) {
                return Ok(None);
            }
            let mut found = QUANTILES;
            for q in &mut found {
                *q = weighted_quantile(&own, *q)?;
            }
            Ok(Some(found))
        };
        Ok([quantiles(Arm::A)?, quantiles(Arm::B)?])
    }

    /// The standardized mean difference of one variation, unless a group has no numbers.
    pub(crate) fn effect(&self, measured: &Measured) -> Option<EffectSize> {
        smd(&measured.moments, measured.weighting).ok()
    }

    /// What of that is due to answers being drawn and not enumerated: its standard error.
    pub(crate) fn error(measured: &Measured) -> Option<f64> {
        smd_error(&measured.moments, measured.weighting)
    }

    /// The same of a mean over variations.
    pub(crate) fn mean_error(all: &[&Measured]) -> Option<f64> {
        let errors: Vec<f64> = all.iter().filter_map(|own| Self::error(own)).collect();
        let sum: f64 = errors.iter().map(|e| e * e).sum();
        (!errors.is_empty()).then(|| sum.sqrt() / errors.len() as f64)
    }

    /// A statistic of some variations with its interval over names.
    pub(crate) fn estimate(&self, arms: &[Arm], statistic: impl Fn(&[usize]) -> Option<f64>) -> Estimate {
        let everybody: Vec<usize> = (0..arms.len()).collect();
        let value = statistic(&everybody).unwrap_or(f64::NAN);
        let interval = value.is_finite().then(|| self.bootstrap.interval(arms, &statistic).ok()).flatten();
        Estimate { value, interval: interval.map(|i| [i.low, i.high]) }
    }

    /// Mean |SMD| of some variations for a pick of names.
    pub(crate) fn mean_abs(&self, all: &[&Measured], picks: &[usize]) -> Option<f64> {
        self.mean_of(all, picks, f64::abs)
    }

    /// Mean |SMD| before and after, over the variations that have an effect both times.
    pub(crate) fn mean_abs_pair(
        &self,
        before: &[&Measured],
        after: &[&Measured],
        picks: &[usize],
    ) -> Option<[f64; 2]> {
        let effect = |m: &Measured| smd_resampled(&m.moments, picks, m.weighting).ok()?.value();
        let pairs: Vec<(f64, f64)> = before
            .iter()
            .zip(after)
            .filter_map(|(b, a)| Some((effect(b)?.abs(), effect(a)?.abs())))
            .collect();
        let n = pairs.len() as f64;
        let sum = |pick: fn(&(f64, f64)) -> f64| pairs.iter().map(pick).sum::<f64>() / n;
        (!pairs.is_empty()).then(|| [sum(|p| p.0), sum(|p| p.1)])
    }

    /// Mean signed SMD of some variations for a pick of names.
    pub(crate) fn mean_signed(&self, all: &[&Measured], picks: &[usize]) -> Option<f64> {
        self.mean_of(all, picks, |x| x)
    }

    fn mean_of(&self, all: &[&Measured], picks: &[usize], f: impl Fn(f64) -> f64) -> Option<f64> {
        let (mut sum, mut count) = (0.0, 0);
        for measured in all {
            // Variations without an effect (no numbers, no spread) are counted as degenerate elsewhere.
            let effect = smd_resampled(&measured.moments, picks, measured.weighting);
            if let Some(d) = effect.ok().and_then(EffectSize::value) {
                sum += f(d);
                count += 1;
            }
        }
        (count > 0).then(|| sum / f64::from(count))
    }

    /// Inlier ratio over some variations for a pick of names.
    pub(crate) fn inlier(all: &[&Measured], picks: &[usize]) -> Option<f64> {
        let (mut inside, mut total) = (0.0, 0.0);
        for measured in all {
            for &pick in picks {
                let (i, t) = measured.shares.get(pick)?;
                inside += i;
                total += t;
            }
        }
        (total > 0.0).then(|| inside / total)
    }

    /// Share of answers that do not say what was asked, over some variations for a pick of names: arm A's less arm B's.
    pub(crate) fn no_number(all: &[&Measured], picks: &[usize]) -> Option<f64> {
        let mut sums = [(0.0, 0.0); 2];
        for measured in all {
            for &pick in picks {
                let side = measured.moments.get(pick)?.arm;
                let (none, total) = sums.get_mut(usize::from(side == Arm::B))?;
                let own = measured.unanswered.get(pick)?;
                *none += own.0;
                *total += own.1;
            }
        }
        let [a, b] = sums.map(|(none, total)| (total > 0.0).then(|| none / total));
        Some(a? - b?)
    }

    /// How likely each variation's difference is by chance.
    pub(crate) fn significances(
        &self,
        all: &[&Measured],
        arms: &[Arm],
    ) -> Result<Vec<Option<Significance>>, MetricError> {
        significances(all, arms, self.seed)
    }

    /// How many of the variations have no finite effect.
    pub(crate) fn degenerate(&self, all: &[&Measured]) -> usize {
        all.iter().filter(|m| self.effect(m).and_then(EffectSize::value).is_none()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::Drawn;

    fn name(arm: Arm, values: &[f64], unparsed: f64) -> NameAnswers {
        NameAnswers {
            arm,
            values: values.iter().map(|v| (*v, 1.0)).collect(),
            unparsed,
            unexplored: 0.0,
            error: 0.0,
        }
    }

    fn said(names: Vec<NameAnswers>) -> Said {
        let unanswered = names.iter().map(|own| (own.unparsed, own.parsed() + own.unparsed)).collect();
        let estimated = vec![0.0; names.len()];
        let drawn = names.iter().map(|own| Drawn::Explored(0, vec![None; own.values.len()])).collect();
        Said { weighting: Weighting::Probability, names, unanswered, estimated, drawn }
    }

    #[test]
    fn distributions_read_as_answered() {
        let measure = Measure::new(&Settings { winsorise: [0.0, 0.9], ..Settings::default() }).unwrap();
        let answers =
            vec![name(Arm::A, &[1.0, 2.0, 3.0, 4.0], 0.0), name(Arm::A, &[5.0], 0.0), name(Arm::B, &[], 2.0)];
        let found = measure.distribution(answers, false).unwrap();
        assert_eq!(found, [Some([1.0, 2.0, 3.0, 4.0, 5.0]), None]);
        // A wild answer is clamped to the highest one that counts, as for the SMD.
        let mut wild: Vec<f64> = (1..=10).map(f64::from).collect();
        wild.push(1e9);
        let [a, _] = measure.distribution(vec![name(Arm::A, &wild, 0.0)], false).unwrap();
        assert_eq!(a, Some([1.0, 3.0, 6.0, 9.0, 10.0]));
        // Where less is better, values were turned round; people read what was answered.
        let turned = vec![name(Arm::B, &[-1.0, -2.0, -3.0, -4.0, -5.0], 0.0)];
        assert_eq!(measure.distribution(turned, true).unwrap(), [None, Some([1.0, 2.0, 3.0, 4.0, 5.0])]);
    }

    #[test]
    fn answers_without_a_number_are_compared_between_groups() {
        let measure = Measure::new(&Settings::default()).unwrap();
        let answers = vec![
            name(Arm::A, &[1.0], 1.0),
            name(Arm::A, &[1.0, 2.0], 0.0),
            name(Arm::B, &[1.0, 2.0, 3.0], 1.0),
        ];
        let measured = measure.reduce(said(answers), None).unwrap();
        assert_eq!(Measure::no_number(&[&measured], &[0, 1, 2]), Some(0.0));
        assert_eq!(Measure::no_number(&[&measured], &[0, 0, 2]), Some(0.25));
        assert_eq!(Measure::no_number(&[&measured], &[0, 1]), None, "nobody to compare with");
    }

    /// An answer beyond all measure is no number when it is read back, and no damage to a study.
    #[test]
    fn what_overflows_reads_back_as_no_number() {
        let measure = Measure::new(&Settings::default()).unwrap();
        let answers = vec![name(Arm::A, &[1e200, -1e200], 0.0), name(Arm::B, &[1.0, 2.0], 0.0)];
        let measured = measure.reduce(said(answers), None).unwrap();
        let json = serde_json::to_string(&measured).unwrap();
        let back: Measured = serde_json::from_str(&json).unwrap();
        assert!(back.moments[0].m2.is_nan() && back.moments[1].m2 > 0.0, "{json}");
        assert_eq!(measure.effect(&back).and_then(EffectSize::value), None);
    }
}
