//! The four claims, each from written rules (docs/method.md).

use std::collections::BTreeMap;

use bias_frameworks::Framework;
use bias_metrics::inference::holm;
use bias_types::prompt::Context;

use super::conditions::{at_least, condition, fact, gone, together, unseen};
use super::gap::Gap;
use super::kept::{Kept, is_capability};
use super::outcomes::{Sums, elsewhere_than};
use super::protocol::Protocol;
use crate::StudyError;
use crate::results::{
    Absent, Also, AlsoChange, Approach, Carried, Claim, ClaimKind, ClaimRow, Condition, Control,
    Elsewhere, Estimate, Seen, Target, Verdict,
};

/// The level after Holm's correction.
const ALPHA: f64 = 0.05;
/// The shares of claim (a) at home and elsewhere, and of claim (b).
const AT_HOME: f64 = 0.9;
const ELSEWHERE: f64 = 0.7;
const LEFT_OUT: f64 = 0.85;
/// The largest share of weights, and the smallest inlier ratio, of claim (a).
const MOST: f64 = 0.01;
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

    /// Why there is no such change. If damage refuses it, the claim is refuted; if there is nothing
    /// to work on, nothing is known.
    fn missing(&self, approach: &Approach, seen: &Seen, limit: f64) -> Condition {
        let own = self.absent.iter().find(|own| {
            (&own.approach, &own.seen, own.control) == (approach, seen, Control::Own)
                && own.limit.is_none_or(|own| own.total_cmp(&limit).is_eq())
        });
        let refused = own.is_some_and(|own| own.limit.is_some());
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

/// Every row of every claim, with Holm's correction over all of them.
pub(super) fn rows(judged: &Judged<'_>) -> Result<Vec<ClaimRow>, StudyError> {
    let mut rows = Vec::new();
    let protocol = judged.protocol;
    let several = judged.kept.iter().any(|own| matches!(own.changed.seen, Seen::AllBut(_)))
        || judged.absent.iter().any(|own| matches!(own.seen, Seen::AllBut(_)));
    for approach in protocol.approaches.iter().filter(|own| own.is_mask()) {
        for home in &protocol.homes {
            for &limit in &protocol.limits {
                rows.push(one_context(judged, approach, home, limit));
                if several {
                    rows.push(left_out(judged, approach, home, limit));
                }
                rows.push(frameworks(judged, approach, home, limit));
                rows.push(rival(judged, approach, home, limit)?);
            }
        }
    }
    // What was planted is known to be there, and is no claim.
    let tested = |own: &&mut ClaimRow| own.p.is_some() && own.approach != Approach::Planted;
    let p: Vec<f64> = rows.iter_mut().filter(|own| tested(own)).filter_map(|own| own.p).collect();
    for (own, p) in rows.iter_mut().filter(tested).zip(holm(&p)?) {
        own.p_holm = Some(p);
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

fn one_context(judged: &Judged<'_>, approach: &Approach, home: &Context, limit: f64) -> ClaimRow {
    let seen = Seen::Home(home.clone());
    let mut row = judged.row(ClaimKind::OneContext, approach, &seen, limit);
    let Some(kept) = judged.kept(approach, &seen, limit) else {
        row.conditions.push(judged.missing(approach, &seen, limit));
        return row;
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
        }
        _ => row.conditions.push(unseen(
            "elsewhere: fewer than two other contexts have a measurable gap",
            Verdict::NotEnoughData,
        )),
    }
    let share = kept.changed.share;
    row.conditions.push(fact("share of the weights at most 1 %".into(), share, share <= MOST));
    row.conditions.push(inliers(judged, id));
    row.conditions.extend(capabilities(judged, kept));
    row
}

fn left_out(judged: &Judged<'_>, approach: &Approach, home: &Context, limit: f64) -> ClaimRow {
    let seen = Seen::AllBut(home.clone());
    let mut row = judged.row(ClaimKind::LeftOut, approach, &seen, limit);
    let Some(kept) = judged.kept(approach, &seen, limit) else {
        row.conditions.push(judged.missing(approach, &seen, limit));
        return row;
    };
    let own = judged.carried(&kept.changed.id, &Target::Elsewhere(home.clone()));
    row.conditions.push(share_gone("in the one left out", LEFT_OUT, own));
    row.p = own.and_then(|own| own.p_placebo);
    row
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

/// The lowest inlier ratio over home and the other contexts, beside that of the unchanged model.
fn inliers(judged: &Judged<'_>, change: &str) -> Condition {
    let asked = |own: &&Carried| {
        own.change == change && matches!(own.target, Target::Home(_) | Target::Elsewhere(_))
    };
    let all = judged.outcomes.iter().filter(asked);
    let lowest = all.min_by(|a, b| a.inlier.value.total_cmp(&b.inlier.value));
    lowest.map_or_else(
        || unseen("inlier ratio: it was not tested", Verdict::NotEnoughData),
        |own| {
            // Of the unchanged model's answers some lie outside as well.
            let least = INLIER.min(own.inlier_before);
            let what = format!("lowest inlier ratio, {}: at least {least:.3}", own.target);
            at_least(what, least, &own.inlier)
        },
    )
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
    let found = judged.sums.closer(&others, &rival.tested, &own.tested)?;
    let met = match found.interval {
        Some([low, _]) if low > 0.0 => Verdict::Yes,
        Some([_, high]) if high < 0.0 => Verdict::No,
        _ => Verdict::NotEnoughData,
    };
    let what = format!("share of the gap elsewhere that {other} leaves and it does not: above 0");
    row.conditions.push(condition(what, found.value, found.interval, met));
    row.p = judged.sums.together(&others, &rival.tested, &own.tested)?;
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
            let of_row = |own: &&Absent| {
                own.approach == row.approach
                    && *own.seen.context() == row.context
                    && own.control == Control::Own
            };
            absent.iter().filter(of_row).any(|own| own.limit.is_none())
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
    let rank = |own: Verdict| match own {
        Verdict::Yes => 2,
        Verdict::NotEnoughData => 1,
        Verdict::No => 0,
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
        let none = Absent { approach, seen, control: Control::Own, limit: None, reason };
        let rent = ClaimRow { change: None, ..row("good", "rent", NotEnoughData) };
        let found = whole(ClaimKind::OneContext, &[good, rent], &[none]);
        assert_eq!(found.verdict, Yes);
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
