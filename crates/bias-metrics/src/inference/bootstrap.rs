use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF as _, Normal, StudentsT};

use crate::arm::Arm;
use crate::error::MetricError;
use crate::robust::quantile::interpolated_quantile;

/// A confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// Its nominal coverage, such as 0.95.
    pub level: f64,
    /// The number of resamples left out because the statistic was undefined on them.
    pub dropped: usize,
}

/// How the ends of an interval follow from the resamples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ends {
    /// The quantiles of the resamples (Efron 1979).
    #[default]
    Percentile,
    /// The quantiles at levels that are corrected for bias and for a deviation that changes with
    /// the statistic (Efron 1987).
    Bca,
}

/// Bootstrap over names, within each arm (Efron 1979).
///
/// Names are the unit of randomisation. The answers of one name are not independent, so whole names
/// are drawn with replacement, as many per arm as it has. An arm of one name never varies, and few
/// names make intervals too narrow.
///
/// A statistic receives the picked *indices*. If it uses the same picks in several tables (before
/// and after pruning, several variations asked of the same names), it is paired, and so is the
/// interval of a reduction or a difference:
///
/// ```
/// use bias_metrics::effect::{EffectSize, reduction, smd_resampled};
/// use bias_metrics::error::present;
/// use bias_metrics::{Arm, Bootstrap, NameMoments, Weighting};
///
/// let name = |arm, v: f64| NameMoments::of(arm, &[(v - 1.0, 1.0), (v + 1.0, 1.0)]);
/// let table = |a: f64| -> Vec<NameMoments> {
///     (0..10).map(|i| f64::from(i)).flat_map(|i| [name(Arm::A, a + i), name(Arm::B, i)]).collect()
/// };
/// let (before, after) = (table(6.0), table(1.5));
/// let arms: Vec<Arm> = before.iter().map(|n| n.arm).collect();
/// // No effect is `None`, a mistake is an error.
/// let smd = |table: &[NameMoments], picks: &[usize]| {
///     let effect = present(smd_resampled(table, picks, Weighting::Draws))?;
///     Ok(effect.and_then(EffectSize::value))
/// };
/// let interval = Bootstrap::new(7).resamples(500)?.interval(&arms, |picks| {
///     let effects = smd(&before, picks)?.zip(smd(&after, picks)?);
///     Ok(effects.and_then(|(before, after)| reduction(before, after)))
/// })?;
/// assert!(interval.low < 0.75 && 0.75 < interval.high);
/// # Ok::<(), bias_metrics::MetricError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Bootstrap {
    seed: u64,
    resamples: usize,
    level: f64,
    ends: Ends,
    widened: bool,
}

impl Bootstrap {
    /// 2,000 resamples at level 0.95, percentiles, widened for few names. The draws depend on the
    /// seed alone.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, resamples: 2000, level: 0.95, ends: Ends::Percentile, widened: true }
    }

    /// Whether levels are moved outwards as far as Student's t with the factor √(n/(n − 1)) lies
    /// beyond the normal distribution (Hesterberg 2015, "expanded percentile"): resampled names
    /// vary less than names do, and few names estimate their own deviation badly. `n` is the
    /// smaller group. `calibrate` in fixtures/make measures the benefit.
    #[must_use]
    pub fn widened(self, widened: bool) -> Self {
        Self { widened, ..self }
    }

    /// How the ends are found.
    #[must_use]
    pub fn ends(self, ends: Ends) -> Self {
        Self { ends, ..self }
    }

    /// The number of resamples.
    ///
    /// # Errors
    /// [`MetricError::BadResamples`] below 2.
    pub fn resamples(self, resamples: usize) -> Result<Self, MetricError> {
        if resamples < 2 {
            return Err(MetricError::BadResamples { resamples });
        }
        Ok(Self { resamples, ..self })
    }

    /// The nominal coverage of the interval.
    ///
    /// # Errors
    /// [`MetricError::BadLevel`] unless it lies strictly between 0 and 1.
    pub fn level(self, level: f64) -> Result<Self, MetricError> {
        if level > 0.0 && level < 1.0 {
            Ok(Self { level, ..self })
        } else {
            Err(MetricError::BadLevel { level })
        }
    }

    /// The interval of `statistic` when names are resampled. `arms[i]` is the group of name `i`.
    ///
    /// `statistic` gets as many indices as there are names (one less where [`Ends::Bca`] leaves a
    /// name out) and returns `None` where it is undefined. Those resamples, and any without a
    /// finite value, are dropped and counted. The first error that it returns ends the bootstrap.
    /// The ends are quantiles, linearly interpolated.
    ///
    /// Nothing is known of the dropped resamples: they may all lie beyond one end. So no more of
    /// them are dropped than a tail of the interval holds, 2.5 % at level 0.95.
    ///
    /// # Errors
    /// [`MetricError::EmptyArm`] when an arm has no name, [`MetricError::Unstable`] when more
    /// resamples are dropped than that, and the statistic's own; with [`Ends::Bca`] also
    /// [`MetricError::NotFinite`] where the statistic is undefined on the names themselves or
    /// without one of them.
    pub fn interval(
        &self,
        arms: &[Arm],
        statistic: impl Fn(&[usize]) -> Result<Option<f64>, MetricError>,
    ) -> Result<Interval, MetricError> {
        let members = |arm| -> Vec<usize> {
            (0..arms.len()).filter(|&i| arms.get(i) == Some(&arm)).collect()
        };
        let (a, b) = (members(Arm::A), members(Arm::B));
        for (arm, members) in [(Arm::A, &a), (Arm::B, &b)] {
            if members.is_empty() {
                return Err(MetricError::EmptyArm {
                    arm,
                    weight: 0.0,
                    needed: "at least one name",
                });
            }
        }
        let strata = [a, b];
        let of = |arm: &Arm| usize::from(*arm == Arm::B);
        self.resampled(&strata, &arms.iter().map(of).collect::<Vec<_>>(), statistic)
    }

    /// The same for units of one group, such as templates whose items stand or fall together: as
    /// many are drawn with replacement as there are.
    ///
    /// # Errors
    /// [`MetricError::TooFewUnits`] below two units, and as [`interval`](Self::interval).
    pub fn interval_of_one(
        &self,
        units: usize,
        statistic: impl Fn(&[usize]) -> Result<Option<f64>, MetricError>,
    ) -> Result<Interval, MetricError> {
        if units < 2 {
            return Err(MetricError::TooFewUnits { units, least: 2 });
        }
        self.resampled(&[(0..units).collect()], &vec![0; units], statistic)
    }

    /// The interval when units are drawn within their strata; `stratum[i]` is that of unit `i`.
    fn resampled(
        &self,
        strata: &[Vec<usize>],
        stratum: &[usize],
        statistic: impl Fn(&[usize]) -> Result<Option<f64>, MetricError>,
    ) -> Result<Interval, MetricError> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut picks = vec![0; stratum.len()];
        let mut values = Vec::with_capacity(self.resamples);
        for _ in 0..self.resamples {
            for (pick, own) in picks.iter_mut().zip(stratum) {
                let members = &strata[*own];
                *pick = members[rng.random_range(0..members.len())];
            }
            values.extend(statistic(&picks)?.filter(|v| v.is_finite()));
        }
        let dropped = self.resamples - values.len();
        let unstable = MetricError::Unstable { dropped, resamples: self.resamples };
        let tail = (1.0 - self.level) / 2.0;
        if dropped as f64 > tail * self.resamples as f64 {
            return Err(unstable);
        }
        values.sort_by(f64::total_cmp);
        let tail = if self.widened { outwards(tail, strata) } else { tail };
        let [low, high] = match self.ends {
            Ends::Percentile => [tail, 1.0 - tail],
            Ends::Bca => corrected([tail, 1.0 - tail], &values, strata, &statistic)?,
        };
        let end = |q| interpolated_quantile(&values, q);
        match (end(low), end(high)) {
            (Some(low), Some(high)) => Ok(Interval { low, high, level: self.level, dropped }),
            _ => Err(unstable),
        }
    }
}

/// The level of a lower end for few names. A group of one name says nothing about the variation
/// between names.
fn outwards(tail: f64, strata: &[Vec<usize>]) -> f64 {
    let least = strata.iter().map(Vec::len).min().unwrap_or(0) as f64;
    let units: usize = strata.iter().map(Vec::len).sum();
    let degrees = units.saturating_sub(strata.len()) as f64;
    let student = StudentsT::new(0.0, 1.0, degrees).ok().filter(|_| least >= 2.0);
    student.map_or(tail, |t| {
        Normal::standard().cdf((least / (least - 1.0)).sqrt() * t.inverse_cdf(tail))
    })
}

/// The levels of the quantiles for BCa. The acceleration of two samples follows Davison & Hinkley
/// 1997, section 5.3.2.
fn corrected(
    levels: [f64; 2],
    sorted: &[f64],
    strata: &[Vec<usize>],
    statistic: &impl Fn(&[usize]) -> Result<Option<f64>, MetricError>,
) -> Result<[f64; 2], MetricError> {
    let undefined = MetricError::NotFinite { what: "statistic of the names themselves" };
    let of = |picks: &[usize]| {
        statistic(picks)?.filter(|v| v.is_finite()).ok_or_else(|| undefined.clone())
    };
    let everybody: Vec<usize> = strata.iter().flatten().copied().collect();
    let observed = of(&everybody)?;
    let below = |v: f64| sorted.partition_point(|own| *own < v) as f64;
    let not_above = sorted.partition_point(|own| *own <= observed) as f64;
    let share = f64::midpoint(below(observed), not_above) / sorted.len() as f64;
    let normal = Normal::standard();
    let bias = normal.inverse_cdf(share);
    let (mut cubes, mut squares) = (0.0, 0.0);
    for arm in strata {
        let without = arm.iter().map(|left_out| {
            of(&everybody.iter().copied().filter(|own| own != left_out).collect::<Vec<_>>())
        });
        let without = without.collect::<Result<Vec<_>, _>>()?;
        let n = without.len() as f64;
        let mean = without.iter().sum::<f64>() / n;
        let influence = || without.iter().map(|own| (n - 1.0) * (mean - own));
        cubes += influence().map(|u| u.powi(3)).sum::<f64>() / n.powi(3);
        squares += influence().map(|u| u.powi(2)).sum::<f64>() / n.powi(2);
    }
    // A statistic that no name moves needs no correction, and neither does one beyond all
    // resamples: it has no finite one.
    if squares == 0.0 || !bias.is_finite() {
        return Ok(levels);
    }
    let acceleration = cubes / (6.0 * squares.powf(1.5));
    Ok(levels.map(|level| {
        let z = bias + normal.inverse_cdf(level);
        normal.cdf(bias + z / (1.0 - acceleration * z))
    }))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const ARMS: [Arm; 7] = [Arm::A, Arm::B, Arm::B, Arm::A, Arm::B, Arm::A, Arm::B];

    fn mean(picks: &[usize]) -> Result<Option<f64>, MetricError> {
        Ok(Some(picks.iter().sum::<usize>() as f64 / picks.len() as f64))
    }

    #[test]
    fn arms_keep_their_sizes() {
        let kept = |picks: &[usize]| {
            assert!(picks.iter().zip(ARMS).all(|(&p, arm)| ARMS[p] == arm));
            mean(picks)
        };
        Bootstrap::new(1).resamples(200).unwrap().interval(&ARMS, kept).unwrap();
    }

    #[test]
    fn the_seed_decides() {
        let run = |seed| Bootstrap::new(seed).interval(&ARMS, mean).unwrap();
        assert_eq!(run(3), run(3));
        // A mean of few indices takes few values, so compare a finer statistic.
        let fine = |p: &[usize]| {
            Ok(Some(p.iter().enumerate().map(|(i, &x)| (i as f64 + 0.3) * x as f64).sum()))
        };
        let run = |seed| Bootstrap::new(seed).resamples(50).unwrap().interval(&ARMS, fine).unwrap();
        assert_ne!(run(3), run(4));
    }

    #[test]
    fn units_of_one_group_are_drawn_alone() {
        let bootstrap = Bootstrap::new(3).resamples(400).unwrap();
        let found = bootstrap.interval_of_one(30, mean).unwrap();
        assert!(found.low < 14.5 && 14.5 < found.high && found.high - found.low < 8.0, "{found:?}");
        let few = bootstrap.interval_of_one(1, mean);
        assert_eq!(few, Err(MetricError::TooFewUnits { units: 1, least: 2 }));
    }

    #[test]
    fn a_wider_level_contains_a_narrower_one() {
        let run = |level| Bootstrap::new(5).level(level).unwrap().interval(&ARMS, mean).unwrap();
        let (wide, narrow) = (run(0.99), run(0.5));
        assert!(wide.low < narrow.low && narrow.low <= narrow.high && narrow.high < wide.high);
    }

    #[test]
    fn undefined_resamples_are_counted_and_may_not_be_many() {
        let calls = Cell::new(0u32);
        let without = |undefined: u32| {
            calls.set(0);
            let calls = &calls;
            move |picks: &[usize]| {
                calls.set(calls.get() + 1);
                if calls.get() > undefined {
                    mean(picks)
                } else {
                    Ok(Some(f64::NAN).filter(|_| calls.get().is_multiple_of(3)))
                }
            }
        };
        let bootstrap = Bootstrap::new(2).resamples(200).unwrap();
        assert_eq!(bootstrap.interval(&ARMS, without(5)).unwrap().dropped, 5);
        let unstable = bootstrap.interval(&ARMS, without(6));
        assert_eq!(unstable, Err(MetricError::Unstable { dropped: 6, resamples: 200 }));
        let half = bootstrap.level(0.5).unwrap();
        assert_eq!(half.interval(&ARMS, without(50)).unwrap().dropped, 50);
    }

    #[test]
    fn an_error_of_the_statistic_ends_it() {
        let calls = Cell::new(0u32);
        for ends in [Ends::Percentile, Ends::Bca] {
            calls.set(0);
            let found = Bootstrap::new(2).ends(ends).interval(&ARMS, |picks| {
                calls.set(calls.get() + 1);
                if calls.get() == 3 {
                    return Err(MetricError::BadWeight { weight: -1.0 });
                }
                mean(picks)
            });
            assert_eq!(found, Err(MetricError::BadWeight { weight: -1.0 }));
            assert_eq!(calls.get(), 3);
        }
    }

    #[test]
    fn bad_settings_are_refused() {
        assert!(matches!(Bootstrap::new(0).resamples(1), Err(MetricError::BadResamples { .. })));
        for level in [0.0, 1.0, 95.0, f64::NAN] {
            assert!(matches!(Bootstrap::new(0).level(level), Err(MetricError::BadLevel { .. })));
        }
        let lonely = Bootstrap::new(0).interval(&[Arm::A, Arm::A], mean);
        assert!(matches!(lonely, Err(MetricError::EmptyArm { arm: Arm::B, .. })));
    }
}
