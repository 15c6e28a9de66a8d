use bias_metrics::{
    Arm, Bootstrap, Bounds, EffectSize, MetricError, NameAnswers, NameMoments, TukeyFences, Weighting,
    explored_range, inlier_share, smd, smd_bounds, smd_resampled, winsorise,
};
use bias_model::Decoding;
use serde::{Deserialize, Serialize};

use crate::results::{Estimate, Settings};
use crate::significance::{Significance, significances};

/// One variation reduced to what every statistic needs: moments and inlier shares per name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub moments: Vec<NameMoments>,
    /// Weight within the fences, and all of it, per name.
    pub shares: Vec<(f64, f64)>,
    /// Mean probability of answers that were not followed.
    pub unexplored: f64,
    /// Between what the effect must lie, whatever those answers say.
    pub bounds: Option<Bounds>,
}

/// How numbers become estimates: the settings that matter, in one place.
pub(crate) struct Measure {
    weighting: Weighting,
    winsorise: [f64; 2],
    pub tukey_k: f64,
    bootstrap: Bootstrap,
    seed: u64,
}

impl Measure {
    pub(crate) fn new(settings: &Settings) -> Result<Self, MetricError> {
        let weighting = match settings.decoding {
            Decoding::Exact { .. } => Weighting::Probability,
            Decoding::Sampled { .. } | Decoding::Greedy => Weighting::Draws,
        };
        Ok(Self {
            weighting,
            winsorise: settings.winsorise,
            tukey_k: settings.tukey_k,
            bootstrap: Bootstrap::new(settings.seed).resamples(settings.resamples)?,
            seed: settings.seed,
        })
    }

    /// Reduces one variation's answers; fences come from the unpruned model's. Without
    /// any (it never gave a number) nothing is within.
    pub(crate) fn reduce(
        &self,
        mut answers: Vec<NameAnswers>,
        fences: Option<&TukeyFences>,
    ) -> Result<Measured, MetricError> {
        let share = |a: &NameAnswers| {
            fences.map_or_else(|| (0.0, a.parsed() + a.unparsed), |fences| inlier_share(a, fences))
        };
        let shares = answers.iter().map(share).collect();
        let unexplored = answers.iter().map(|a| a.unexplored).sum::<f64>() / answers.len().max(1) as f64;
        if answers.iter().any(|a| !a.values.is_empty()) {
            let [low, high] = self.winsorise;
            winsorise(&mut answers, low, high)?;
        }
        let exact = self.weighting == Weighting::Probability;
        let bounds = explored_range(&answers).filter(|_| exact).and_then(|r| smd_bounds(&answers, r));
        Ok(Measured {
            moments: answers.iter().map(NameAnswers::moments).collect(),
            shares,
            unexplored,
            bounds,
        })
    }

    /// The standardized mean difference of one variation, unless a group has no numbers.
    pub(crate) fn effect(&self, measured: &Measured) -> Option<EffectSize> {
        smd(&measured.moments, self.weighting).ok()
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
        let effect = |m: &Measured| smd_resampled(&m.moments, picks, self.weighting).ok()?.value();
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
            let effect = smd_resampled(&measured.moments, picks, self.weighting);
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

    /// How likely each variation's difference is by chance.
    pub(crate) fn significances(
        &self,
        all: &[&Measured],
        arms: &[Arm],
    ) -> Result<Vec<Option<Significance>>, MetricError> {
        significances(all, arms, self.weighting, self.seed)
    }

    /// How many of the variations have no finite effect.
    pub(crate) fn degenerate(&self, all: &[&Measured]) -> usize {
        all.iter().filter(|m| self.effect(m).and_then(EffectSize::value).is_none()).count()
    }
}
