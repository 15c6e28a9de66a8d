use std::collections::HashMap;

use bias_metrics::error::present;
use bias_metrics::{Arm, MetricError, Permutation};

use super::sides::{SideContext, SideVariation};
use crate::results::{Estimate, SideDifference};
use crate::statistics::{Measure, Measured, spread};

/// The names that two models were both asked about in a context, on the same side.
pub(super) struct Shared {
    arms: Vec<Arm>,
    /// Their places among the people of the first and of the other model.
    places: [Vec<usize>; 2],
}

/// A variation of both models, reduced to the names that they share.
pub(super) struct Pair {
    first: Measured,
    other: Measured,
}

/// Fewer names of a side have no spread.
const FEWEST: usize = 2;

impl Shared {
    /// `None` if answers are not known by name, or a side shares fewer than two names.
    pub(super) fn of(first: &SideContext, other: &SideContext) -> Option<Self> {
        let (first, other) = (first.people.as_ref()?, other.people.as_ref()?);
        let index: HashMap<&(Arm, String), usize> =
            other.iter().enumerate().map(|(at, own)| (own, at)).collect();
        let mut shared = Self { arms: Vec::new(), places: [Vec::new(), Vec::new()] };
        for (at, own) in first.iter().enumerate() {
            if let Some(there) = index.get(own) {
                shared.arms.push(own.0);
                shared.places[0].push(at);
                shared.places[1].push(*there);
            }
        }
        shared.names().iter().all(|count| *count >= FEWEST).then_some(shared)
    }

    /// The number of names of each group.
    pub(super) fn names(&self) -> [usize; 2] {
        [Arm::A, Arm::B].map(|side| self.arms.iter().filter(|arm| **arm == side).count())
    }

    /// A variation of both, if answers are known by name; and how many of the shared people were
    /// asked another question.
    pub(super) fn pair(
        &self,
        first: &SideVariation,
        other: &SideVariation,
    ) -> Option<(Pair, usize)> {
        let ((first, texts), (other, others)) = (first.asked.as_ref()?, other.asked.as_ref()?);
        let [here, there] = &self.places;
        let unlike = here.iter().zip(there).filter(|(a, b)| texts.get(**a) != others.get(**b));
        let pair = Pair { first: picked(first, here)?, other: picked(other, there)? };
        Some((pair, unlike.count()))
    }

    /// How far the mean of the other model's effects is from that of the first, over some variations.
    /// `of` is applied to each effect. Tested if `tests`.
    pub(super) fn difference(
        &self,
        pairs: &[Pair],
        of: fn(f64) -> f64,
        tests: bool,
        measure: &Measure,
        seed: u64,
    ) -> Result<Option<SideDifference>, MetricError> {
        let all =
            |own: fn(&Pair) -> &Measured| -> Vec<&Measured> { pairs.iter().map(own).collect() };
        let (first, other) = (all(|own| &own.first), all(|own| &own.other));
        let estimate = measure.estimate(&self.arms, |picks| {
            let means = measure.mean_pair(&first, &other, picks, of)?;
            Ok(means.map(|[first, other]| other - first))
        })?;
        if !estimate.value.is_finite() {
            return Ok(None);
        }
        let p = if tests { self.test(pairs, seed)? } else { None };
        Ok(Some(SideDifference { estimate, names: Some(self.names()), p, holm: None }))
    }

    /// Deals the groups of the shared names anew: if the groups have nothing to do with how far the
    /// models' answers about a name are apart, each on its own scale, any labelling was as likely.
    fn test(&self, pairs: &[Pair], seed: u64) -> Result<Option<f64>, MetricError> {
        let mut apart: Vec<(f64, usize)> = vec![(0.0, 0); self.arms.len()];
        for Pair { first, other } in pairs {
            let (Some(scale), Some(scale_other)) = (spread(first), spread(other)) else { continue };
            let names = first.moments.iter().zip(&other.moments);
            for ((own, there), (sum, count)) in names.zip(&mut apart) {
                if own.weight > 0.0 && there.weight > 0.0 {
                    *sum += there.mean / scale_other - own.mean / scale;
                    *count += 1;
                }
            }
        }
        let known = apart.iter().zip(&self.arms).filter(|((_, count), _)| *count > 0);
        let (apart, arms): (Vec<f64>, Vec<Arm>) =
            known.map(|((sum, count), arm)| (sum / *count as f64, *arm)).unzip();
        if [Arm::A, Arm::B]
            .iter()
            .any(|side| arms.iter().filter(|arm| *arm == side).count() < FEWEST)
        {
            return Ok(None);
        }
        let statistic = |labels: &[Arm]| {
            let mean = |side: Arm| {
                let own = apart.iter().zip(labels).filter(|(_, arm)| **arm == side);
                let (sum, count) = own.fold((0.0, 0.0), |(sum, n), (own, _)| (sum + own, n + 1.0));
                sum / count
            };
            Ok(Some(mean(Arm::A) - mean(Arm::B)))
        };
        Ok(present(Permutation::new(seed).test(&arms, statistic))?.map(|found| found.p))
    }
}

/// The difference of two numbers that are not known by name.
pub(super) fn plain(first: f64, other: f64) -> Option<SideDifference> {
    let value = other - first;
    let estimate = Estimate { value, interval: None };
    let found = SideDifference { estimate, names: None, p: None, holm: None };
    value.is_finite().then_some(found)
}

/// The numbers of some people.
fn picked(own: &Measured, places: &[usize]) -> Option<Measured> {
    fn of<T: Copy>(all: &[T], places: &[usize]) -> Option<Vec<T>> {
        places.iter().map(|at| all.get(*at).copied()).collect()
    }
    Some(Measured {
        moments: of(&own.moments, places)?,
        shares: of(&own.shares, places)?,
        unanswered: of(&own.unanswered, places)?,
        bounds: None,
        ..own.clone()
    })
}
