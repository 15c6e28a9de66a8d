//! What a change does to each target, and to all other contexts together.

use bias_metrics::MetricError;
use bias_metrics::effect::reduction;
use bias_metrics::error::present;
use bias_metrics::inference::ratio_interval;
use bias_types::prompt::Context;

use super::gap::{Gap, NONE, apart, relabelled, size_by_chance};
use crate::StudyError;
use crate::prompts::{PromptSet, arms};
use crate::results::{Carried, Elsewhere, Estimate, Settings, Target};
use crate::seed::derived_seed;
use crate::statistics::{Measure, Measured, Reference, Tested};

/// A number of a pick of names.
type Statistic<'s> = dyn Fn(&[usize]) -> Result<Option<f64>, MetricError> + 's;

/// A model that a change is compared with.
#[derive(Clone, Copy)]
pub(super) enum Other<'t> {
    /// The unchanged one: a placebo that makes nothing is none.
    Unchanged,
    /// A changed one.
    Changed(&'t Tested),
}

/// What the numbers of all changes are computed with.
pub(super) struct Sums<'s> {
    pub prompts: &'s PromptSet,
    pub reference: &'s Reference,
    pub measure: &'s Measure,
    pub settings: &'s Settings,
}

impl Sums<'_> {
    /// The changed model's numbers on a target.
    pub(super) fn after<'t>(&self, gap: &Gap, tested: &'t Tested) -> Vec<&'t Measured> {
        tested.of(&gap.test)
    }

    /// The numbers on a target of what a change is compared with.
    fn of_other<'t>(&'t self, gap: &Gap, other: Other<'t>) -> Vec<&'t Measured> {
        match other {
            Other::Unchanged => gap.before(self.reference),
            Other::Changed(tested) => self.after(gap, tested),
        }
    }

    /// What a change did to a target, beside its placebo.
    pub(super) fn carried(
        &self,
        change: &str,
        gap: &Gap,
        own: &Tested,
        placebo: Option<Other<'_>>,
    ) -> Result<Carried, StudyError> {
        let placebo = placebo.map(|own| self.of_other(gap, own));
        self.answered(change, gap, &self.after(gap, own), placebo)
    }

    /// The same for answers that may be of several changed models.
    pub(super) fn answered(
        &self,
        change: &str,
        gap: &Gap,
        after: &[&Measured],
        placebo: Option<Vec<&Measured>>,
    ) -> Result<Carried, StudyError> {
        let before = gap.before(self.reference);
        let (measure, seed) = (self.measure, self.settings.seed);
        let pair = |picks: &[usize]| gap.pair(&before, after, picks);
        let everybody: Vec<usize> = (0..gap.arms.len()).collect();
        let whole = pair(&everybody)?;
        let reason = match (&gap.power.reason, whole) {
            (Some(reason), _) => Some(reason.clone()),
            (None, None) => Some("no variation has an SMD after the change".into()),
            (None, Some(_)) => None,
        };
        let known = reason.is_none();
        let estimate = |statistic: &Statistic<'_>| match known {
            true => measure.estimate(&gap.arms, statistic),
            false => Ok(NONE),
        };
        let placebo = placebo.filter(|own| own.len() == after.len());
        Ok(Carried {
            change: change.into(),
            target: gap.target.clone(),
            before: whole.map_or(f64::NAN, |[before, _]| before),
            after: measure.estimate(&gap.arms, |picks| Ok(pair(picks)?.map(|[_, after]| after)))?,
            reduction: estimate(&|picks| Ok(pair(picks)?.and_then(gone)))?,
            unsigned: estimate(&|picks| {
                let pair = measure.mean_abs_pair(&before, after, picks)?;
                Ok(pair.and_then(|[before, after]| reduction(before, after)))
            })?,
            size_after: Measure::of_everybody(&gap.arms, |picks| measure.mean_abs(after, picks))?,
            size_by_chance: size_by_chance(&gap.arms, after, seed)?,
            p: gap.differ(&before, after, seed)?,
            p_placebo: placebo.map(|own| gap.differ(&own, after, seed)).transpose()?.flatten(),
            inlier: measure.estimate(&gap.arms, |picks| Measure::inlier(after, picks))?,
            inlier_before: Measure::of_everybody(&gap.arms, |p| Measure::inlier(&before, p))?,
            inlier_change: measure.estimate(&gap.arms, |picks| {
                let both = Measure::inlier(after, picks)?.zip(Measure::inlier(&before, picks)?);
                Ok(both.map(|(after, before)| after - before))
            })?,
            degenerate: measure.degenerate(after)?,
            reason,
        })
    }

    /// What a change did to all these contexts together.
    pub(super) fn elsewhere(
        &self,
        change: &str,
        gaps: &[&Gap],
        own: &Tested,
        placebo: Option<Other<'_>>,
        carried: &[&Carried],
    ) -> Result<Elsewhere, StudyError> {
        let gaps: Vec<&Gap> = gaps.iter().copied().filter(|own| own.power.measurable).collect();
        let mut found = Elsewhere {
            change: change.into(),
            contexts: gaps.iter().map(|own| own.target.context().clone()).collect(),
            reduction: NONE,
            over_contexts: None,
            inlier: None,
            p_placebo: None,
            reason: None,
        };
        if gaps.is_empty() {
            found.reason = Some("no other context has a gap that can be measured".into());
            return Ok(found);
        }
        let inliers = carried.iter().filter(|own| found.contexts.contains(own.target.context()));
        let inliers = inliers.map(|own| own.inlier.value).filter(|own| own.is_finite());
        found.inlier = inliers.reduce(f64::min);
        let pairs: Vec<[Vec<&Measured>; 2]> =
            gaps.iter().map(|gap| [gap.before(self.reference), self.after(gap, own)]).collect();
        // The gap of each context before and after, for a pick of names or for everybody.
        let each = |picks: Option<&[usize]>| {
            let of = |(gap, [before, after]): (&&Gap, &[Vec<&Measured>; 2])| {
                let everybody: Vec<usize> = (0..gap.arms.len()).collect();
                gap.pair(before, after, picks.unwrap_or(&everybody))
            };
            gaps.iter().zip(&pairs).map(of).collect::<Result<Option<Vec<_>>, MetricError>>()
        };
        let over = |picks: Option<&[usize]>| Ok(each(picks)?.and_then(|all| gone(sum(&all))));
        let alike = self.ask_alike(&gaps);
        found.reduction = match alike {
            true => self.measure.estimate(&gaps[0].arms, |picks| over(Some(picks)))?,
            false => Estimate { value: over(None)?.unwrap_or(f64::NAN), interval: None },
        };
        if !found.reduction.value.is_finite() {
            found.reason = Some("a context has no SMD after the change".into());
            return Ok(found);
        }
        if !alike {
            found.reason =
                Some("contexts ask about different people: there is no interval over names".into());
        }
        let left = present(ratio_interval(&each(None)?.unwrap_or_default()))?;
        found.over_contexts = left.map(|own| [1.0 - own.high, 1.0 - own.low]);
        if let Some(placebo) = placebo.filter(|_| alike) {
            found.p_placebo = self.together(&gaps, placebo, own)?;
        }
        Ok(found)
    }

    /// The probability by chance of the difference between two changes over several contexts that
    /// ask about the same people.
    pub(super) fn together(
        &self,
        gaps: &[&Gap],
        first: Other<'_>,
        second: &Tested,
    ) -> Result<Option<f64>, StudyError> {
        let Some(arms) = gaps.first().map(|own| own.arms.clone()) else { return Ok(None) };
        let mut sums = vec![(0.0, 0u32); arms.len()];
        for gap in gaps {
            let first = gap.by_name(&self.of_other(gap, first));
            let apart = apart(&first, &gap.by_name(&self.after(gap, second)));
            for (own, (sum, count)) in apart.iter().zip(&mut sums) {
                if let Some(own) = own {
                    *sum += own;
                    *count += 1;
                }
            }
        }
        let means = sums.into_iter().map(|(sum, n)| (n > 0).then(|| sum / f64::from(n)));
        let seed = derived_seed(self.settings.seed, "together");
        Ok(relabelled(&arms, &means.collect::<Vec<_>>(), seed)?)
    }

    /// How much closer to none the second change brings the gaps of these contexts than the first.
    pub(super) fn closer(
        &self,
        gaps: &[&Gap],
        first: Other<'_>,
        second: &Tested,
    ) -> Result<Estimate, StudyError> {
        let Some(arms) = gaps.first().map(|own| &own.arms).filter(|_| self.ask_alike(gaps)) else {
            return Ok(NONE);
        };
        let left = |own: Other<'_>, picks: &[usize]| {
            let of =
                |gap: &&Gap| gap.pair(&gap.before(self.reference), &self.of_other(gap, own), picks);
            let all = gaps.iter().map(of).collect::<Result<Option<Vec<_>>, MetricError>>()?;
            Ok(all.and_then(|all| gone(sum(&all))).map(|gone| (1.0 - gone).abs()))
        };
        Ok(self.measure.estimate(arms, |picks| {
            let both = left(first, picks)?.zip(left(Other::Changed(second), picks)?);
            Ok(both.map(|(first, second)| first - second))
        })?)
    }

    /// Whether all of these ask about the same people.
    fn ask_alike(&self, gaps: &[&Gap]) -> bool {
        let tested = self.prompts.tested();
        let people = |c: usize| {
            let own = self.prompts.contexts[c].variations[0].people.iter();
            own.filter(|p| tested.include(p.split)).map(|p| (p.arm, p.name.as_str()))
        };
        let same = |pair: &[&Gap]| {
            people(pair[0].test.context).eq(people(pair[1].test.context))
                && arms(self.prompts, pair[0].test.context, tested) == pair[1].arms
        };
        gaps.windows(2).all(same)
    }
}

/// The gaps before and after of all contexts together.
fn sum(all: &[[f64; 2]]) -> [f64; 2] {
    all.iter().fold([0.0; 2], |[before, after], own| [before + own[0], after + own[1]])
}

/// `1 − after / before`; `None` where there was nothing before.
fn gone([before, after]: [f64; 2]) -> Option<f64> {
    let gone = 1.0 - after / before;
    (before != 0.0 && gone.is_finite()).then_some(gone)
}

/// The gaps of all contexts but one, all their questions.
pub(super) fn elsewhere_than<'g>(gaps: &'g [Gap], home: &Context) -> Vec<&'g Gap> {
    let others = |own: &&Gap| match &own.target {
        Target::Elsewhere(context) => context != home,
        _ => false,
    };
    gaps.iter().filter(others).collect()
}
