use std::collections::{BTreeMap, BTreeSet};

use bias_metrics::error::present;
use bias_metrics::inference::{Interval, LabelShuffles, Proportion, SignFlips, holm, mcnemar};
use bias_metrics::{Bootstrap, MetricError};

use super::results::{Change, Estimate, FrameworkResult, Measure, NotScored, Report, TestOfChange};
use crate::error::FrameworkError;
use crate::framework::Framework;
use crate::items::item::{Item, Texts};
use crate::items::set::{ItemSet, LeftOut, Reason};
use crate::measures::by_framework::statistics;
use crate::measures::statistic::{Chance, Statistic};
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
    let measures = frameworks.iter_mut().flat_map(|own| &mut own.measures);
    let measures = measures.filter(|own| own.subset.is_none());
    correct_changes(measures.filter_map(|own| own.change.as_mut()))?;
    Ok(Report { model: model.to_owned(), mask: mask.map(str::to_owned), tests, frameworks })
}

/// Holm's correction over all tests of the values before, and over all of those after.
fn corrected(frameworks: &mut [FrameworkResult]) -> Result<usize, MetricError> {
    let mut tests = 0;
    for after in [false, true] {
        let mut estimates: Vec<&mut Estimate> = frameworks
            .iter_mut()
            .flat_map(|own| &mut own.measures)
            // Whether names are told apart is not a bias.
            .filter(|own| own.unbiased.is_some())
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

/// Holm's correction over changes. Those that are not tested do not count.
///
/// # Errors
/// A p-value that is not a number.
pub fn correct_changes<'c>(
    changes: impl IntoIterator<Item = &'c mut Change>,
) -> Result<(), MetricError> {
    let mut tested: Vec<&mut Change> = changes.into_iter().filter(|own| own.p.is_some()).collect();
    let p: Vec<f64> = tested.iter().filter_map(|own| own.p).collect();
    for (own, p) in tested.iter_mut().zip(holm(&p)?) {
        own.p_holm = Some(p);
    }
    Ok(())
}

/// A measure under a mask.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangedMeasure {
    /// Its name.
    pub name: String,
    /// Its value under the mask.
    pub after: Option<f64>,
    /// The change, not yet corrected for others ([`correct_changes`]).
    pub change: Change,
}

/// How every measure over all items of a framework changes under a mask, each item paired with
/// itself. For many masks on the same items; [`report`] says all of one mask.
///
/// # Errors
/// A statistic that fails.
pub fn changes(
    set: &ItemSet,
    before: &Scored,
    after: &Scored,
    bootstrap: &Bootstrap,
) -> Result<Vec<ChangedMeasure>, FrameworkError> {
    let (first, second) = (of(set, before), of(set, after));
    let pairs = first.iter().filter(|own| own.subset.is_none()).filter_map(|own| {
        let later = second.iter().find(|other| other.name == own.name && other.subset.is_none());
        Some((own, later?))
    });
    pairs
        .map(|(own, later)| {
            let change = change(own, later, bootstrap)?;
            Ok(ChangedMeasure { name: own.name.clone(), after: later.value(), change })
        })
        .collect()
}

/// Every metric of the items that were scored.
fn of(set: &ItemSet, scored: &Scored) -> Vec<Statistic> {
    let scored = set.items.iter().zip(&scored.scores);
    let rows: Vec<(&Item, &[Score])> =
        scored.filter_map(|(item, own)| Some((item, own.as_deref()?))).collect();
    statistics(set.framework, &rows)
}

fn framework(own: &Measured<'_>, bootstrap: &Bootstrap) -> Result<FrameworkResult, FrameworkError> {
    let Measured { set, before, after } = own;
    let scored: Vec<&Item> = set
        .items
        .iter()
        .zip(&before.scores)
        .filter(|(_, own)| own.is_some())
        .map(|(item, _)| item)
        .collect();
    let first = of(set, before);
    let second = after.map(|own| of(set, own));
    let mut measures = Vec::with_capacity(first.len());
    for (i, own) in first.iter().enumerate() {
        let later = second.as_ref().and_then(|all| all.get(i));
        measures.push(measure(own, later, bootstrap)?);
    }
    let clusters: BTreeSet<&str> = scored.iter().map(|own| own.cluster.as_str()).collect();
    Ok(FrameworkResult {
        framework: set.framework,
        sources: set.sources.clone(),
        items: set.items.len() + set.left_out.len(),
        scored: scored.len(),
        clusters: clusters.len(),
        without_context: scored.iter().filter(|own| lacks_context(set.framework, own)).count(),
        not_scored: not_scored(set.left_out.iter().chain(&before.left_out)),
        measures,
    })
}

/// Whether an item has no context although items of its framework have one.
fn lacks_context(framework: Framework, item: &Item) -> bool {
    let usual = matches!(framework, Framework::Crows | Framework::Stereoset);
    match &item.texts {
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
        chance: before.chance.as_ref().map(Chance::value),
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
    let tested = own.contributions.as_ref().filter(|values| {
        own.subset.is_none() && value.is_some() && values.iter().all(|own| own.is_finite())
    });
    let p = tested.map(|values| present(SignFlips::new(SEED).test(values))).transpose()?.flatten();
    let dealt = |own: &Chance| {
        LabelShuffles::new(SEED).test(&own.own, |groups| own.recognised(groups)).map(|own| own.p)
    };
    let p = match (&own.chance, p) {
        (Some(chance), None) => present(dealt(chance))?,
        (_, p) => p.map(|own| own.p),
    };
    Ok(Estimate { value, interval, p, p_holm: None })
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
    let tested = difference.map(|_| tested(before, after)).transpose()?.flatten();
    let (p, test) = tested.unzip();
    Ok(Change { difference, interval, p, p_holm: None, test })
}

/// The test of a change. Without an effect of the mask, the scores before and after are
/// exchangeable, and so what a cluster gains is as likely as what it loses.
fn tested(
    before: &Statistic,
    after: &Statistic,
) -> Result<Option<(f64, TestOfChange)>, MetricError> {
    if let (Some(before_hits), Some(after_hits)) = (&before.hits, &after.hits) {
        let pairs = || before_hits.iter().zip(after_hits);
        if before.clusters.len() == before_hits.len() {
            let count =
                |from: bool| pairs().filter(|(a, b)| a.1 == from && b.1 != from).count() as u64;
            return Ok(Some((mcnemar(count(true), count(false)), TestOfChange::Mcnemar)));
        }
        let mut gained = vec![0.0; before.clusters.len()];
        for ((cluster, a), (_, b)) in pairs() {
            gained[*cluster] += f64::from(u8::from(*b)) - f64::from(u8::from(*a));
        }
        return turned(&gained);
    }
    // Parts of the items would be many tests of the same.
    if before.subset.is_some() {
        return Ok(None);
    }
    if let (Some(a), Some(b)) = (&before.contributions, &after.contributions) {
        return turned(&a.iter().zip(b).map(|(a, b)| b - a).collect::<Vec<_>>());
    }
    // A ratio whose denominators are the items' changes as its numerators do.
    let mut gained = Vec::with_capacity(before.clusters.len());
    for ((_, a), (_, b)) in before.clusters.iter().zip(&after.clusters) {
        match (a.as_slice(), b.as_slice()) {
            ([a, of_a], [b, of_b]) if of_a == of_b => gained.push(b - a),
            _ => return Ok(None),
        }
    }
    turned(&gained)
}

fn turned(gained: &[f64]) -> Result<Option<(f64, TestOfChange)>, MetricError> {
    if gained.iter().any(|own| !own.is_finite()) {
        return Ok(None);
    }
    let found = present(SignFlips::new(SEED).test(gained))?;
    Ok(found.map(|own| (own.p, TestOfChange::Signs)))
}
