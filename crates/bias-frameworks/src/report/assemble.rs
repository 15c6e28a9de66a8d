use std::collections::{BTreeMap, BTreeSet};

use bias_metrics::error::present;
use bias_metrics::inference::{Interval, Proportion, SignFlips, holm, mcnemar};
use bias_metrics::{Bootstrap, MetricError};

use super::results::{Change, Estimate, FrameworkResult, Measure, NotScored, Report, TestOfChange};
use crate::error::FrameworkError;
use crate::framework::Framework;
use crate::items::item::{Item, Texts};
use crate::items::set::{ItemSet, LeftOut, Reason};
use crate::measures::by_framework::statistics;
use crate::measures::statistic::Statistic;
use crate::score::scorer::{Score, Scored};

/// The items of a framework with their scores, and those under a mask.
#[derive(Debug, Clone, Copy)]
pub struct Measured<'m> {
    /// The items.
    pub set: &'m ItemSet,
    /// Their scores.
    pub before: &'m Scored,
    /// Their scores under the mask.
    pub after: Option<&'m Scored>,
}

/// Results with intervals and tests: a pure function of the scores and the bootstrap.
///
/// # Errors
/// Scores that are not numbers.
pub fn report(
    model: &str,
    mask: Option<&str>,
    measured: &[Measured<'_>],
    bootstrap: &Bootstrap,
) -> Result<Report, FrameworkError> {
    let mut frameworks = Vec::with_capacity(measured.len());
    for own in measured {
        frameworks.push(framework(own, bootstrap)?);
    }
    frameworks.sort_by_key(|own| own.framework);
    let tests = corrected(&mut frameworks)?;
    Ok(Report { model: model.to_owned(), mask: mask.map(str::to_owned), tests, frameworks })
}

/// Holm's correction over all tests of the values before, and over all of those after.
fn corrected(frameworks: &mut [FrameworkResult]) -> Result<usize, MetricError> {
    let mut tests = 0;
    for after in [false, true] {
        let mut estimates: Vec<&mut Estimate> = frameworks
            .iter_mut()
            .flat_map(|own| &mut own.measures)
            .filter_map(|own| if after { own.after.as_mut() } else { Some(&mut own.before) })
            .filter(|own| own.p.is_some())
            .collect();
        tests = tests.max(estimates.len());
        let p: Vec<f64> = estimates.iter().filter_map(|own| own.p).collect();
        for (own, p) in estimates.iter_mut().zip(holm(&p)?) {
            own.p_holm = Some(p);
        }
    }
    Ok(tests)
}

fn framework(own: &Measured<'_>, bootstrap: &Bootstrap) -> Result<FrameworkResult, FrameworkError> {
    let Measured { set, before, after } = own;
    let pairs = |scored: &'_ Scored| -> Vec<(usize, Vec<Score>)> {
        let all = scored.scores.iter().enumerate();
        all.filter_map(|(i, own)| Some((i, own.clone()?))).collect()
    };
    let of = |scored: &[(usize, Vec<Score>)]| {
        let rows: Vec<(&Item, &[Score])> =
            scored.iter().map(|(i, scores)| (&set.items[*i], scores.as_slice())).collect();
        statistics(set.framework, &rows)
    };
    let scored = pairs(before);
    let first = of(&scored);
    let second = after.map(|own| of(&pairs(own)));
    let mut measures = Vec::with_capacity(first.len());
    for (i, own) in first.iter().enumerate() {
        let later = second.as_ref().and_then(|all| all.get(i));
        measures.push(measure(own, later, bootstrap)?);
    }
    let clusters: BTreeSet<&str> =
        scored.iter().map(|(i, _)| set.items[*i].cluster.as_str()).collect();
    Ok(FrameworkResult {
        framework: set.framework,
        sources: set.sources.clone(),
        items: set.items.len() + set.left_out.len(),
        scored: scored.len(),
        clusters: clusters.len(),
        without_context: scored.iter().filter(|(i, _)| lacks_context(set, *i)).count(),
        not_scored: not_scored(set.left_out.iter().chain(&before.left_out)),
        measures,
    })
}

/// Whether an item has no context although items of its framework have one.
fn lacks_context(set: &ItemSet, item: usize) -> bool {
    let usual = matches!(set.framework, Framework::Crows | Framework::Stereoset);
    match &set.items[item].texts {
        Texts::Continued(texts) => {
            !usual && texts.iter().any(|own| own.context.trim_end().is_empty())
        }
        Texts::Whole(_) => false,
    }
}

fn not_scored<'l>(all: impl Iterator<Item = &'l LeftOut>) -> Vec<NotScored> {
    let mut by_reason: BTreeMap<Reason, NotScored> = BTreeMap::new();
    for own in all {
        let found = by_reason.entry(own.reason).or_insert_with(|| NotScored {
            reason: own.reason,
            items: 0,
            first: Vec::new(),
        });
        found.items += 1;
        if found.first.len() < 5 {
            found.first.push(own.id.clone());
        }
    }
    by_reason.into_values().collect()
}

fn measure(
    before: &Statistic,
    after: Option<&Statistic>,
    bootstrap: &Bootstrap,
) -> Result<Measure, FrameworkError> {
    Ok(Measure {
        name: before.name.clone(),
        subset: before.subset.clone(),
        unit: before.unit,
        unbiased: before.unbiased,
        items: before.items,
        clusters: before.clusters.len(),
        before: estimate(before, bootstrap)?,
        after: after.map(|own| estimate(own, bootstrap)).transpose()?,
        change: after.map(|after| change(before, after, bootstrap)).transpose()?,
    })
}

fn estimate(own: &Statistic, bootstrap: &Bootstrap) -> Result<Estimate, FrameworkError> {
    let value = own.value();
    let drawn = interval(value, own.clusters.len(), bootstrap, |picks| own.value_of(picks))?;
    let interval = share_of_alike(own, drawn)?;
    // By kind there would be many tests of the same items.
    let tested = own.contributions.as_ref().filter(|_| own.subset.is_none() && value.is_some());
    let p = tested.map(|values| present(SignFlips::new(SEED).test(values))).transpose()?.flatten();
    Ok(Estimate { value, interval, p: p.map(|own| own.p), p_holm: None })
}

/// The interval of a share whose clusters are all alike, all hits for example: no draw differs, and
/// the bootstrap's interval would have no width. Then it is Wilson's, as if each cluster were one
/// item. Any other interval stays.
fn share_of_alike(
    own: &Statistic,
    drawn: Option<Interval>,
) -> Result<Option<Interval>, MetricError> {
    let (Some(drawn), Some(value), Some(_)) = (drawn, own.value(), &own.hits) else {
        return Ok(drawn);
    };
    if drawn.low < drawn.high {
        return Ok(Some(drawn));
    }
    let clusters = own.clusters.len() as u64;
    let hits = (value * clusters as f64).round() as u64;
    let share = Proportion::wilson(hits, clusters, drawn.level)?;
    let (low, high) = (share.low.min(value), share.high.max(value));
    Ok(Some(Interval { low, high, ..drawn }))
}

/// The seed of the tests' random signs.
const SEED: u64 = 0;

fn interval(
    value: Option<f64>,
    clusters: usize,
    bootstrap: &Bootstrap,
    statistic: impl Fn(&[usize]) -> Option<f64>,
) -> Result<Option<Interval>, MetricError> {
    if value.is_none() {
        return Ok(None);
    }
    present(bootstrap.interval_of_one(clusters, |picks| Ok(statistic(picks))))
}

fn change(
    before: &Statistic,
    after: &Statistic,
    bootstrap: &Bootstrap,
) -> Result<Change, FrameworkError> {
    let apart = |a: Option<f64>, b: Option<f64>| Some(b? - a?);
    let difference = apart(before.value(), after.value());
    let interval = interval(difference, before.clusters.len(), bootstrap, |picks| {
        apart(before.value_of(picks), after.value_of(picks))
    })?;
    let tested = before.hits.as_ref().zip(after.hits.as_ref());
    let tested = tested.map(|(before_hits, after_hits)| {
        let pairs = || before_hits.iter().zip(after_hits);
        if before.clusters.len() == before_hits.len() {
            let count =
                |from: bool| pairs().filter(|(a, b)| a.1 == from && b.1 != from).count() as u64;
            return Ok((mcnemar(count(true), count(false)), TestOfChange::Mcnemar));
        }
        let mut turned = vec![0.0; before.clusters.len()];
        for ((cluster, a), (_, b)) in pairs() {
            turned[*cluster] += f64::from(u8::from(*b)) - f64::from(u8::from(*a));
        }
        Ok::<_, MetricError>((SignFlips::new(SEED).test(&turned)?.p, TestOfChange::Signs))
    });
    let tested = tested.transpose()?;
    Ok(Change { difference, interval, p: tested.map(|own| own.0), test: tested.map(|own| own.1) })
}
