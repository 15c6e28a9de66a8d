use bias_metrics::effect::{smd_error, smd_resampled};
use bias_metrics::error::present;
use bias_metrics::robust::{
    TukeyFences, explored_range, inlier_share, smd_bounds, weighted_quantile, winsorise,
};
use bias_metrics::{Arm, Bootstrap, EffectSize, MetricError, NameAnswers, Weighting, smd};
use bias_model::Decoding;

use super::measured::Measured;
use super::significance::significances;
use crate::ask::Said;
use crate::results::{Estimate, QUANTILES, Settings, Significance};

/// How numbers become estimates: the relevant settings in one place.
pub(crate) struct Measure {
    /// Whether free answers are sampled instead of enumerated.
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

    /// Reduces one variation's answers. The fences are those of the unpruned model. Without fences
    /// (if it never gave a number), no answer is within them.
    pub(crate) fn reduce(
        &self,
        said: Said,
        fences: Option<&TukeyFences>,
    ) -> Result<Measured, MetricError> {
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
        let errors = drawn.errors(&names);
        names.iter_mut().zip(errors).for_each(|(name, error)| name.error = error);
        // Of what was drawn nothing is certain.
        let exact = weighting == Weighting::Probability && estimated == 0.0;
        let bounds = explored_range(&names).filter(|_| exact).and_then(|r| smd_bounds(&names, r));
        let moments = names.iter().map(NameAnswers::moments).collect();
        Ok(Measured { moments, weighting, shares, unanswered, unexplored, estimated, bounds })
    }

    /// Clamps one variation's answers to the configured quantiles.
    fn clamp(&self, answers: &mut [NameAnswers]) -> Result<(), MetricError> {
        let [low, high] = self.winsorise;
        let any = answers.iter().any(|a| !a.values.is_empty());
        if any { winsorise(answers, low, high) } else { Ok(()) }
    }

    /// [`QUANTILES`] of each group's clamped answers. `turned` says that values were negated; they
    /// are then negated back.
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
    ///
    /// # Errors
    /// Whether no answers can have these moments.
    pub(crate) fn effect(&self, measured: &Measured) -> Result<Option<EffectSize>, MetricError> {
        present(smd(&measured.moments, measured.weighting))
    }

    /// The standard error of that effect that is due to answers being drawn and not enumerated,
    /// unless there is no effect.
    ///
    /// # Errors
    /// Moments that no answers have.
    pub(crate) fn error(measured: &Measured) -> Result<Option<f64>, MetricError> {
        Ok(present(smd_error(&measured.moments, measured.weighting))?.flatten())
    }

    /// The same of a mean over those variations that have an effect.
    ///
    /// # Errors
    /// As [`error`](Self::error).
    pub(crate) fn mean_error(all: &[&Measured]) -> Result<Option<f64>, MetricError> {
        let errors: Vec<f64> = all
            .iter()
            .filter_map(|measured| Self::error(measured).transpose())
            .collect::<Result<_, _>>()?;
        let sum: f64 = errors.iter().map(|e| e * e).sum();
        Ok((!errors.is_empty()).then(|| sum.sqrt() / errors.len() as f64))
    }

    /// A statistic of some variations with its interval over names, if enough resamples have it.
    ///
    /// # Errors
    /// The value of the statistic itself, for everybody or for a resample.
    pub(crate) fn estimate(
        &self,
        arms: &[Arm],
        statistic: impl Fn(&[usize]) -> Result<Option<f64>, MetricError>,
    ) -> Result<Estimate, MetricError> {
        let everybody: Vec<usize> = (0..arms.len()).collect();
        let value = statistic(&everybody)?.unwrap_or(f64::NAN);
        if !value.is_finite() {
            return Ok(Estimate { value, interval: None });
        }
        let interval = present(self.bootstrap.interval(arms, statistic))?;
        Ok(Estimate { value, interval: interval.map(|i| [i.low, i.high]) })
    }

    /// A statistic for everybody; NaN if it does not exist.
    pub(crate) fn of_everybody(
        arms: &[Arm],
        statistic: impl Fn(&[usize]) -> Result<Option<f64>, MetricError>,
    ) -> Result<f64, MetricError> {
        Ok(statistic(&(0..arms.len()).collect::<Vec<_>>())?.unwrap_or(f64::NAN))
    }

    /// Mean |SMD| of some variations for a pick of names.
    pub(crate) fn mean_abs(
        &self,
        all: &[&Measured],
        picks: &[usize],
    ) -> Result<Option<f64>, MetricError> {
        self.mean_of(all, picks, f64::abs)
    }

    /// Mean |SMD| before and after, over the variations that have an effect both times.
    pub(crate) fn mean_abs_pair(
        &self,
        before: &[&Measured],
        after: &[&Measured],
        picks: &[usize],
    ) -> Result<Option<[f64; 2]>, MetricError> {
        self.mean_pair(before, after, picks, f64::abs)
    }

    /// The mean of a function of the SMD in two tables of the same variations, over those that have
    /// an effect in both.
    pub(crate) fn mean_pair(
        &self,
        first: &[&Measured],
        second: &[&Measured],
        picks: &[usize],
        f: impl Fn(f64) -> f64,
    ) -> Result<Option<[f64; 2]>, MetricError> {
        let mut pairs: Vec<(f64, f64)> = Vec::with_capacity(first.len());
        for (a, b) in first.iter().zip(second) {
            if let (Some(a), Some(b)) = (resampled(a, picks)?, resampled(b, picks)?) {
                pairs.push((f(a), f(b)));
            }
        }
        let n = pairs.len() as f64;
        let sum = |pick: fn(&(f64, f64)) -> f64| pairs.iter().map(pick).sum::<f64>() / n;
        Ok((!pairs.is_empty()).then(|| [sum(|p| p.0), sum(|p| p.1)]))
    }

    /// The mean SMD before and after, each turned by the sign of its variation, over the variations
    /// that have a sign and an effect both times.
    pub(crate) fn mean_turned_pair(
        before: &[&Measured],
        after: &[&Measured],
        signs: &[Option<f64>],
        picks: &[usize],
    ) -> Result<Option<[f64; 2]>, MetricError> {
        let (mut sums, mut count) = ([0.0; 2], 0);
        for ((a, b), sign) in before.iter().zip(after).zip(signs) {
            let Some(sign) = sign else { continue };
            if let (Some(a), Some(b)) = (resampled(a, picks)?, resampled(b, picks)?) {
                sums[0] += sign * a;
                sums[1] += sign * b;
                count += 1;
            }
        }
        Ok((count > 0).then(|| sums.map(|sum| sum / f64::from(count))))
    }

    /// Mean signed SMD of some variations for a pick of names.
    pub(crate) fn mean_signed(
        &self,
        all: &[&Measured],
        picks: &[usize],
    ) -> Result<Option<f64>, MetricError> {
        self.mean_of(all, picks, |x| x)
    }

    fn mean_of(
        &self,
        all: &[&Measured],
        picks: &[usize],
        f: impl Fn(f64) -> f64,
    ) -> Result<Option<f64>, MetricError> {
        let (mut sum, mut count) = (0.0, 0);
        for measured in all {
            // Variations without an effect (no numbers, no spread) are counted as degenerate
            // elsewhere.
            if let Some(d) = resampled(measured, picks)? {
                sum += f(d);
                count += 1;
            }
        }
        Ok((count > 0).then(|| sum / f64::from(count)))
    }

    /// Inlier ratio over some variations for a pick of names.
    pub(crate) fn inlier(all: &[&Measured], picks: &[usize]) -> Result<Option<f64>, MetricError> {
        let (mut inside, mut total) = (0.0, 0.0);
        for measured in all {
            for &pick in picks {
                let (i, t) = picked(&measured.shares, pick)?;
                inside += i;
                total += t;
            }
        }
        Ok((total > 0.0).then(|| inside / total))
    }

    /// The share of answers without the requested form, over some variations for a pick of names:
    /// arm A's minus arm B's.
    pub(crate) fn no_number(
        all: &[&Measured],
        picks: &[usize],
    ) -> Result<Option<f64>, MetricError> {
        let mut sums = [(0.0, 0.0); 2];
        for measured in all {
            for &pick in picks {
                let side = picked(&measured.moments, pick)?.arm;
                let own = picked(&measured.unanswered, pick)?;
                let (none, total) = &mut sums[usize::from(side == Arm::B)];
                *none += own.0;
                *total += own.1;
            }
        }
        let [a, b] = sums.map(|(none, total)| (total > 0.0).then(|| none / total));
        Ok(a.zip(b).map(|(a, b)| a - b))
    }

    /// The probability of each variation's difference by chance.
    pub(crate) fn significances(
        &self,
        all: &[&Measured],
        arms: &[Arm],
    ) -> Result<Vec<Option<Significance>>, MetricError> {
        significances(all, arms, self.seed)
    }

    /// The number of variations without a finite effect.
    pub(crate) fn degenerate(&self, all: &[&Measured]) -> Result<usize, MetricError> {
        let mut count = 0;
        for own in all {
            count += usize::from(self.effect(own)?.and_then(EffectSize::value).is_none());
        }
        Ok(count)
    }
}

/// A variation's effect for a pick of names, if it has one.
fn resampled(measured: &Measured, picks: &[usize]) -> Result<Option<f64>, MetricError> {
    let found = present(smd_resampled(&measured.moments, picks, measured.weighting))?;
    Ok(found.and_then(EffectSize::value))
}

fn picked<T>(names: &[T], pick: usize) -> Result<&T, MetricError> {
    names.get(pick).ok_or(MetricError::PickOutOfRange { pick, names: names.len() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::{Drawn, Explored};

    fn name(arm: Arm, values: &[f64], unparsed: f64) -> NameAnswers {
        NameAnswers {
            arm,
            values: values.iter().map(|v| (*v, 1.0)).collect(),
            unparsed,
            unexplored: 0.0,
            error: Some(0.0),
        }
    }

    fn said(names: Vec<NameAnswers>) -> Said {
        let unanswered =
            names.iter().map(|own| (own.unparsed, own.parsed() + own.unparsed)).collect();
        let estimated = vec![0.0; names.len()];
        let exact = |own: &NameAnswers| Explored { draws: 0, of: vec![None; own.values.len()] };
        let drawn = Drawn::Explored(names.iter().map(exact).collect());
        Said { weighting: Weighting::Probability, names, unanswered, estimated, drawn }
    }

    #[test]
    fn distributions_read_as_answered() {
        let measure =
            Measure::new(&Settings { winsorise: [0.0, 0.9], ..Settings::default() }).unwrap();
        let answers = vec![
            name(Arm::A, &[1.0, 2.0, 3.0, 4.0], 0.0),
            name(Arm::A, &[5.0], 0.0),
            name(Arm::B, &[], 2.0),
        ];
        let found = measure.distribution(answers, false).unwrap();
        assert_eq!(found, [Some([1.0, 2.0, 3.0, 4.0, 5.0]), None]);
        // A wild answer is clamped to the highest one that counts, as for the SMD.
        let mut wild: Vec<f64> = (1..=10).map(f64::from).collect();
        wild.push(1e9);
        let [a, _] = measure.distribution(vec![name(Arm::A, &wild, 0.0)], false).unwrap();
        assert_eq!(a, Some([1.0, 3.0, 6.0, 9.0, 10.0]));
        // Where less is better, values were turned round; people read what was answered.
        let turned = vec![name(Arm::B, &[-1.0, -2.0, -3.0, -4.0, -5.0], 0.0)];
        assert_eq!(
            measure.distribution(turned, true).unwrap(),
            [None, Some([1.0, 2.0, 3.0, 4.0, 5.0])]
        );
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
        assert_eq!(Measure::no_number(&[&measured], &[0, 1, 2]), Ok(Some(0.0)));
        assert_eq!(Measure::no_number(&[&measured], &[0, 0, 2]), Ok(Some(0.25)));
        assert_eq!(Measure::no_number(&[&measured], &[0, 1]), Ok(None), "nobody to compare with");
    }

    /// A damaged piece must not look like a missing effect.
    #[test]
    fn faults_are_errors_and_absence_is_none() {
        let measure = Measure::new(&Settings { resamples: 20, ..Settings::default() }).unwrap();
        let answers = vec![name(Arm::A, &[1.0, 2.0], 0.0), name(Arm::B, &[1.0, 3.0], 0.0)];
        let mut measured = measure.reduce(said(answers), None).unwrap();
        let arms = [Arm::A, Arm::B, Arm::B];
        let absent = Err(MetricError::PickOutOfRange { pick: 2, names: 2 });
        assert_eq!(measure.estimate(&arms, |picks| measure.mean_abs(&[&measured], picks)), absent);
        assert_eq!(measure.estimate(&arms, |picks| Measure::inlier(&[&measured], picks)), absent);
        assert_eq!(
            measure.estimate(&arms, |picks| Measure::no_number(&[&measured], picks)),
            absent
        );
        // On a resample only.
        let arms = [Arm::A, Arm::B, Arm::B, Arm::B];
        let odd = |picks: &[usize]| match picks[1] {
            1 => Ok(Some(1.0)),
            _ => Err(MetricError::BadWeight { weight: -1.0 }),
        };
        assert_eq!(measure.estimate(&arms, odd), Err(MetricError::BadWeight { weight: -1.0 }));
        measured.moments[0].weight = -1.0;
        assert_eq!(measure.effect(&measured), Err(MetricError::BadWeight { weight: -1.0 }));
        assert!(measure.significances(&[&measured], &[Arm::A, Arm::B]).is_err());
        measured.moments[0] = NameAnswers::moments(&name(Arm::A, &[], 1.0));
        assert_eq!(measure.effect(&measured), Ok(None));
        let estimate =
            measure.estimate(&[Arm::A, Arm::B], |picks| measure.mean_abs(&[&measured], picks));
        assert!(estimate.unwrap().value.is_nan());
        assert_eq!(measure.significances(&[&measured], &[Arm::A, Arm::B]), Ok(vec![None]));
    }

    /// An immeasurably large answer reads back as NaN. This does not count as damage to a study.
    #[test]
    fn what_overflows_reads_back_as_no_number() {
        let measure = Measure::new(&Settings::default()).unwrap();
        let answers = vec![name(Arm::A, &[1e200, -1e200], 0.0), name(Arm::B, &[1.0, 2.0], 0.0)];
        let measured = measure.reduce(said(answers), None).unwrap();
        let json = serde_json::to_string(&measured).unwrap();
        let back: Measured = serde_json::from_str(&json).unwrap();
        assert!(back.moments[0].m2.is_nan() && back.moments[1].m2 > 0.0, "{json}");
        assert_eq!(measure.effect(&back), Ok(None));
    }
}
