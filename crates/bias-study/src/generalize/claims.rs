//! The four claims, each from written rules (docs/method.md).

use std::collections::BTreeMap;

use bias_frameworks::Framework;
use bias_metrics::inference::holm;
use bias_types::prompt::Context;

use super::conditions::{above_zero, at_least, condition, fact, gone, together, unseen};
use super::gap::Gap;
use super::kept::{Kept, is_capability, placebo};
use super::outcomes::{Other, Sums, elsewhere_than};
use super::protocol::Protocol;
use crate::StudyError;
use crate::results::{
    Absent, Also, AlsoChange, Approach, Carried, Cause, Claim, ClaimKind, ClaimRow, Condition,
    Control, Elsewhere, Estimate, Seen, Target, Verdict,
};

/// The level after Holm's correction.
const ALPHA: f64 = 0.05;
/// The shares of claim (a) at home and elsewhere, and of claim (b).
const AT_HOME: f64 = 0.9;
const ELSEWHERE: f64 = 0.7;
const LEFT_OUT: f64 = 0.85;
/// The largest share of weights of claim (a).
const MOST: f64 = 0.01;
/// The smallest inlier ratio without harm.
const INLIER: f64 = 0.98;

/// All that claims are judged by.
pub(super) struct Judged<'j> {
    pub protocol: &'j Protocol,
    pub sums: &'j Sums<'j>,
    pub gaps: &'j [Gap],
    pub kept: &'j [Kept],
    pub outcomes: &'j [Carried],
    pub elsewhere: &'j [Elsewhere],
    pub absent: &'j [Absent],
    pub also: Option<&'j Also>,
}

impl Judged<'_> {
    fn kept(&self, approach: &Approach, seen: &Seen, limit: f64) -> Option<&Kept> {
        self.kept.iter().find(|own| {
            let own = &own.changed;
            own.control == Control::Own
                && (&own.approach, &own.seen) == (approach, seen)
                && own.limit.total_cmp(&limit).is_eq()
        })
    }

    fn carried(&self, change: &str, target: &Target) -> Option<&Carried> {
        self.outcomes.iter().find(|own| own.change == change && own.target == *target)
    }

    /// Why there is no such change. If damage refuses it, or nothing was chosen, the claim is refuted;
    /// if there is nothing to work on, nothing is known.
    fn missing(&self, approach: &Approach, seen: &Seen, limit: f64) -> Condition {
        let own = self.absent.iter().find(|own| {
            (&own.approach, &own.seen, own.control) == (approach, seen, Control::Own)
                && own.limit.is_none_or(|own| own.total_cmp(&limit).is_eq())
        });
        let refused =
            own.is_some_and(|own| matches!(own.cause, Cause::Refused | Cause::ChoseNothing));
        let reason = own.map_or("nothing was made", |own| own.reason.as_str());
        unseen(reason, if refused { Verdict::No } else { Verdict::NotEnoughData })
    }

    fn row(&self, claim: ClaimKind, approach: &Approach, seen: &Seen, limit: f64) -> ClaimRow {
        ClaimRow {
            claim,
            approach: approach.clone(),
            context: seen.context().clone(),
            limit,
            change: self.kept(approach, seen, limit).map(|own| own.changed.id.clone()),
            conditions: Vec::new(),
            p: None,
            p_holm: None,
            verdict: Verdict::NotEnoughData,
        }
    }
}

/// Every row of every claim, with Holm's correction over the rows of each.
pub(super) fn rows(judged: &Judged<'_>) -> Result<Vec<ClaimRow>, StudyError> {
    let mut rows = Vec::new();
    let protocol = judged.protocol;
    let several = judged.kept.iter().any(|own| matches!(own.changed.seen, Seen::AllBut(_)))
        || judged.absent.iter().any(|own| matches!(own.seen, Seen::AllBut(_)));
    for approach in protocol.approaches.iter().filter(|own| own.is_mask()) {
        for home in &protocol.homes {
            for &limit in &protocol.limits {
                rows.push(one_context(judged, approach, home, limit)?);
                if several {
                    rows.push(left_out(judged, approach, home, limit)?);
                }
                rows.push(frameworks(judged, approach, home, limit));
                rows.push(rival(judged, approach, home, limit)?);
            }
        }
    }
    // What was planted is known to be there, and is no claim.
    for claim in ClaimKind::ALL {
        let own = rows.iter_mut();
        let tested = own.filter(|own| own.claim == claim && own.approach != Approach::Planted);
        let mut tested: Vec<&mut ClaimRow> = tested.filter(|own| own.p.is_some()).collect();
        let p: Vec<f64> = tested.iter().filter_map(|own| own.p).collect();
        for (own, p) in tested.iter_mut().zip(holm(&p)?) {
            own.p_holm = Some(p);
        }
    }
    for row in &mut rows {
        row.verdict = judge(row);
    }
    Ok(rows)
}

/// A claim whose conditions are met also needs a difference that chance does not give.
fn judge(row: &ClaimRow) -> Verdict {
    let conditions = together(row.conditions.iter().map(|own| own.met));
    let certain = match row.claim {
        // Its own conditions are tested and corrected by themselves.
        ClaimKind::Frameworks => true,
        _ => row.approach == Approach::Planted || row.p_holm.is_some_and(|p| p < ALPHA),
    };
    match conditions {
        Verdict::Yes if !certain => Verdict::NotEnoughData,
        other => other,
    }
}

fn one_context(
    judged: &Judged<'_>,
    approach: &Approach,
    home: &Context,
    limit: f64,
) -> Result<ClaimRow, StudyError> {
    let seen = Seen::Home(home.clone());
    let mut row = judged.row(ClaimKind::OneContext, approach, &seen, limit);
    let Some(kept) = judged.kept(approach, &seen, limit) else {
        row.conditions.push(judged.missing(approach, &seen, limit));
        return Ok(row);
    };
    let id = &kept.changed.id;
    let at_home = judged.carried(id, &Target::Home(home.clone()));
    row.conditions.push(share_gone("at home", AT_HOME, at_home));
    match judged.elsewhere.iter().find(|own| own.change == *id) {
        Some(own) if own.contexts.len() > 1 => {
            let Estimate { value, interval } = own.reduction;
            row.conditions.push(gone("elsewhere, over names", ELSEWHERE, value, interval));
            row.conditions.push(gone(
                "elsewhere, over contexts",
                ELSEWHERE,
                value,
                own.over_contexts,
            ));
            row.p = own.p_placebo;
            let others = elsewhere_than(judged.gaps, home);
            let others = others.into_iter().filter(|own| own.power.measurable);
            row.conditions.extend(than_placebo(judged, kept, &others.collect::<Vec<_>>())?);
        }
        _ => row.conditions.push(unseen(
            "elsewhere: fewer than two other contexts have a measurable gap",
            Verdict::NotEnoughData,
        )),
    }
    let share = kept.changed.share;
    row.conditions.push(fact("share of the weights at most 1 %".into(), share, share <= MOST));
    row.conditions.extend(harm(judged, kept));
    Ok(row)
}

fn left_out(
    judged: &Judged<'_>,
    approach: &Approach,
    home: &Context,
    limit: f64,
) -> Result<ClaimRow, StudyError> {
    let seen = Seen::AllBut(home.clone());
    let mut row = judged.row(ClaimKind::LeftOut, approach, &seen, limit);
    let Some(kept) = judged.kept(approach, &seen, limit) else {
        row.conditions.push(judged.missing(approach, &seen, limit));
        return Ok(row);
    };
    let target = Target::Elsewhere(home.clone());
    let own = judged.carried(&kept.changed.id, &target);
    row.conditions.push(share_gone("in the one left out", LEFT_OUT, own));
    row.p = own.and_then(|own| own.p_placebo);
    let gap = judged.gaps.iter().filter(|own| own.target == target && own.power.measurable);
    row.conditions.extend(than_placebo(judged, kept, &gap.collect::<Vec<_>>())?);
    row.conditions.extend(harm(judged, kept));
    Ok(row)
}

/// Whether a mask leaves less of these gaps than its placebo. What was planted has none.
fn than_placebo(
    judged: &Judged<'_>,
    kept: &Kept,
    gaps: &[&Gap],
) -> Result<Option<Condition>, StudyError> {
    if kept.changed.approach == Approach::Planted {
        return Ok(None);
    }
    let what = "share of the gap that the placebo leaves and it does not: above 0";
    let Some(other) = placebo(kept, judged.kept, judged.absent) else {
        return Ok(Some(unseen("it has no placebo", Verdict::NotEnoughData)));
    };
    let found = judged.sums.closer(gaps, other, &kept.tested)?;
    Ok(Some(above_zero(what.into(), &found)))
}

/// That a mask does no other harm: to answers, or to what the model can do.
fn harm(judged: &Judged<'_>, kept: &Kept) -> Vec<Condition> {
    let mut all = vec![inliers(judged, &kept.changed.id)];
    all.extend(capabilities(judged, kept));
    all
}

fn share_gone(what: &str, share: f64, own: Option<&Carried>) -> Condition {
    match own {
        Some(own) if own.reason.is_none() => {
            gone(what, share, own.reduction.value, own.reduction.interval)
        }
        Some(own) => {
            let reason = own.reason.as_deref().unwrap_or_default();
            unseen(format!("{what}: {reason}"), Verdict::NotEnoughData)
        }
        None => unseen(format!("{what}: it was not tested"), Verdict::NotEnoughData),
    }
}

/// The inlier ratio of home and of every other context: the one that is met least.
fn inliers(judged: &Judged<'_>, change: &str) -> Condition {
    let asked = |own: &&Carried| {
        own.change == change && matches!(own.target, Target::Home(_) | Target::Elsewhere(_))
    };
    let all = judged.outcomes.iter().filter(asked).map(|own| (own.inlier.value, inlier(own)));
    let worst =
        all.min_by(|(a, of_a), (b, of_b)| rank(of_a.met).cmp(&rank(of_b.met)).then(a.total_cmp(b)));
    worst.map_or_else(
        || unseen("inlier ratio: it was not tested", Verdict::NotEnoughData),
        |(_, own)| own,
    )
}

/// At least 0.98. Where fewer of the unchanged model's answers are inside, no more than 0.02 below
/// those.
fn inlier(own: &Carried) -> Condition {
    if own.inlier_before >= INLIER {
        at_least(format!("inlier ratio, {}: at least {INLIER}", own.target), INLIER, &own.inlier)
    } else {
        let (before, least) = (own.inlier_before, INLIER - 1.0);
        let what = format!(
            "change of the inlier ratio, {}: from {before:.3}, at least {least:.2}",
            own.target
        );
        at_least(what, least, &own.inlier_change)
    }
}

/// Whether what the model can do is within its interval of no loss.
fn capabilities(judged: &Judged<'_>, kept: &Kept) -> Vec<Condition> {
    let own = judged.also.into_iter().flat_map(|own| &own.changes);
    let own = own.filter(|own| {
        own.strategy == kept.scored_as()
            && is_capability(own.framework)
            && own.framework.headline().contains(&own.measure.as_str())
            && own.measure.starts_with("acc")
    });
    let mut found: Vec<Condition> = own
        .map(|own| {
            let met = match own.interval {
                Some([_, high]) if high < 0.0 => Verdict::No,
                Some(_) => Verdict::Yes,
                None => Verdict::NotEnoughData,
            };
            let what = format!("{}, {}: no loss", own.framework, own.measure);
            condition(what, own.difference.unwrap_or(f64::NAN), own.interval, met)
        })
        .collect();
    if found.is_empty() {
        let what = "capability: no file of tasks was given (--also tasks=FILE)";
        found.push(unseen(what, Verdict::NotEnoughData));
    }
    found
}

fn frameworks(judged: &Judged<'_>, approach: &Approach, home: &Context, limit: f64) -> ClaimRow {
    let seen = Seen::Home(home.clone());
    let mut row = judged.row(ClaimKind::Frameworks, approach, &seen, limit);
    let Some(kept) = judged.kept(approach, &seen, limit) else {
        row.conditions.push(judged.missing(approach, &seen, limit));
        return row;
    };
    for own in judged.also.into_iter().flat_map(|own| &own.changes) {
        let headline = own.framework.headline().contains(&own.measure.as_str());
        if own.strategy == kept.scored_as() && own.framework.is_bias() && headline {
            row.conditions.extend(moved(judged, own));
        }
    }
    let measured = row.conditions.len();
    // What did not move by more than chance neither shows nor refutes it, if something did.
    if row.conditions.iter().any(|own| own.met == Verdict::Yes) {
        row.conditions.retain(|own| own.met != Verdict::NotEnoughData);
    }
    if measured == 0 {
        let what = "no framework with a bias was given (--also bbq=FILE and the like)";
        row.conditions.push(unseen(what, Verdict::NotEnoughData));
    }
    row
}

/// Whether a score moved towards its unbiased value; `None` for scores that have none, such as
/// accuracies.
fn moved(judged: &Judged<'_>, own: &AlsoChange) -> Option<Condition> {
    let frameworks = &judged.also?.frameworks;
    let framework = frameworks.iter().find(|other| other.framework == own.framework)?;
    let same = |m: &&bias_frameworks::report::Measure| m.name == own.measure && m.subset.is_none();
    let measure = framework.measures.iter().find(same)?;
    let (unbiased, before) = (measure.unbiased?, measure.before.value?);
    let (after, difference) = (own.after?, own.difference?);
    let towards = (before - unbiased).abs() - (after - unbiased).abs();
    let certain = own.p_holm.is_some_and(|p| p < ALPHA);
    let met = match (certain, towards > 0.0) {
        (true, true) => Verdict::Yes,
        (true, false) => Verdict::No,
        (false, _) => Verdict::NotEnoughData,
    };
    let what = format!(
        "{}, {}: from {before:.3} towards {unbiased:.3}",
        Framework::title(own.framework),
        own.measure
    );
    Some(condition(what, difference, own.interval, met))
}

fn rival(
    judged: &Judged<'_>,
    approach: &Approach,
    home: &Context,
    limit: f64,
) -> Result<ClaimRow, StudyError> {
    let seen = Seen::Home(home.clone());
    let mut row = judged.row(ClaimKind::Rival, approach, &seen, limit);
    let other = &judged.protocol.rival;
    let own = judged.kept(approach, &seen, limit);
    let (Some(own), Some(rival)) = (own, judged.kept(other, &seen, limit)) else {
        let missing = if own.is_none() { approach } else { other };
        let mut reason = judged.missing(missing, &seen, limit);
        reason.what = format!("{missing}: {}", reason.what);
        if own.is_some() {
            // Nobody wins against what is not there.
            reason.met = Verdict::NotEnoughData;
        }
        row.conditions.push(reason);
        return Ok(row);
    };
    let others = elsewhere_than(judged.gaps, home);
    let others: Vec<&Gap> = others.into_iter().filter(|own| own.power.measurable).collect();
    let rival = Other::Changed(&rival.tested);
    let found = judged.sums.closer(&others, rival, &own.tested)?;
    let what = format!("share of the gap elsewhere that {other} leaves and it does not: above 0");
    row.conditions.push(above_zero(what, &found));
    row.conditions.extend(harm(judged, own));
    row.p = judged.sums.together(&others, rival, &own.tested)?;
    Ok(row)
}

/// Each claim as a whole: it holds if one approach at one limit meets it in every home that was
/// measured, and is refuted if every approach at every limit is refuted in some home.
pub(super) fn claims(rows: &[ClaimRow], absent: &[Absent]) -> Vec<Claim> {
    ClaimKind::ALL.map(|claim| whole(claim, rows, absent)).into()
}

fn whole(claim: ClaimKind, rows: &[ClaimRow], absent: &[Absent]) -> Claim {
    let mut tried: BTreeMap<(String, u64), Vec<&ClaimRow>> = BTreeMap::new();
    for row in rows.iter().filter(|own| own.claim == claim && own.approach != Approach::Planted) {
        let nothing = row.change.is_none() && {
            let seen = row.seen();
            absent.iter().any(|own| {
                own.approach == row.approach
                    && own.seen == seen
                    && own.control == Control::Own
                    && own.cause == Cause::NoGap
            })
        };
        // A home without a gap says nothing for or against.
        if !nothing {
            tried.entry((row.approach.to_string(), row.limit.to_bits())).or_default().push(row);
        }
    }
    let judged = tried.values().map(|all| (all, together(all.iter().map(|own| own.verdict))));
    let judged: Vec<_> = judged.collect();
    let any = |verdict| judged.iter().any(|(_, own)| *own == verdict);
    let verdict = if any(Verdict::Yes) {
        Verdict::Yes
    } else if judged.is_empty() || any(Verdict::NotEnoughData) {
        Verdict::NotEnoughData
    } else {
        Verdict::No
    };
    let met = |all: &[&ClaimRow]| {
        let conditions = || all.iter().flat_map(|own| &own.conditions);
        conditions().filter(|own| own.met == Verdict::Yes).count() as f64
            / conditions().count().max(1) as f64
    };
    let best = judged.iter().reduce(|best, own| {
        let key = |(all, verdict): &(&Vec<&ClaimRow>, Verdict)| (rank(*verdict), met(all));
        if key(own) > key(best) { own } else { best }
    });
    let best = best.and_then(|(all, _)| all.first()).map(|own| (own.approach.clone(), own.limit));
    let count = |verdict| judged.iter().filter(|(_, own)| *own == verdict).count();
    let because = match judged.len() {
        0 => "nothing could be tried".into(),
        all => format!(
            "{} of {all} hold in every home that was measured, {} are refuted in one, {} are open",
            count(Verdict::Yes),
            count(Verdict::No),
            count(Verdict::NotEnoughData)
        ),
    };
    Claim { claim, verdict, best, because }
}

/// How near a verdict is to yes.
fn rank(own: Verdict) -> u8 {
    match own {
        Verdict::Yes => 2,
        Verdict::NotEnoughData => 1,
        Verdict::No => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(approach: &str, context: &str, met: Verdict) -> ClaimRow {
        ClaimRow {
            claim: ClaimKind::OneContext,
            approach: approach.parse().unwrap(),
            context: context.parse().unwrap(),
            limit: 0.01,
            change: Some(format!("{approach}/{context}/0.01")),
            conditions: vec![unseen("x", met)],
            p: None,
            p_holm: Some(0.01),
            verdict: met,
        }
    }

    #[test]
    fn one_mask_that_holds_everywhere_is_enough_and_all_must_fail() {
        use Verdict::{No, NotEnoughData, Yes};
        let verdict = |rows: &[ClaimRow]| whole(ClaimKind::OneContext, rows, &[]).verdict;
        let (good, bad) = (row("good", "pay", Yes), row("bad", "pay", No));
        assert_eq!(verdict(&[good.clone(), bad.clone()]), Yes);
        assert_eq!(verdict(&[good.clone(), row("good", "rent", No), bad.clone()]), No);
        assert_eq!(verdict(&[bad.clone(), row("weak", "pay", NotEnoughData)]), NotEnoughData);
        assert_eq!(verdict(&[]), NotEnoughData);
        let planted = row("planted", "pay", Yes);
        assert_eq!(verdict(&[planted, bad]), No, "what was planted is no claim");
        // A home without a gap is no failure and no success.
        let seen = Seen::Home("rent".parse().unwrap());
        let approach: Approach = "good".parse().unwrap();
        let reason = String::new();
        let (control, limit, cause) = (Control::Own, None, Cause::NoGap);
        let none = Absent { approach, seen, control, limit, cause, reason };
        let failed = Absent { cause: Cause::Failed, ..none.clone() };
        let rent = ClaimRow { change: None, ..row("good", "rent", NotEnoughData) };
        let found = whole(ClaimKind::OneContext, &[good.clone(), rent.clone()], &[none]);
        assert_eq!(found.verdict, Yes);
        let open = whole(ClaimKind::OneContext, &[good, rent], &[failed]);
        assert_eq!(open.verdict, NotEnoughData, "the home has a gap, and nobody looked");
        assert_eq!(found.best.map(|(own, _)| own.to_string()), Some("good".into()));
    }

    #[test]
    fn chance_is_no_proof() {
        let own = row("good", "pay", Verdict::Yes);
        assert_eq!(judge(&own), Verdict::Yes);
        let by_chance = |p_holm| judge(&ClaimRow { p_holm, ..own.clone() });
        assert_eq!([by_chance(Some(0.2)), by_chance(None)], [Verdict::NotEnoughData; 2]);
        let refuted = ClaimRow { p_holm: None, ..row("bad", "pay", Verdict::No) };
        assert_eq!(judge(&refuted), Verdict::No);
    }
}
