//! Tables of how far changes carry.

use super::section::{Section, nats};
use crate::report::numbers::{DASH, fixed, percent, percent_estimate, probability, share};
use crate::report::words::short;
use crate::results::{Approach, Carried, Cause, Changed, Control, Generalization, Seen, Target};

/// The change beside another one with this control.
fn beside<'r>(results: &'r Generalization, own: &Changed, control: Control) -> Option<&'r Changed> {
    results.changes.iter().find(|other| {
        other.control == control
            && (&other.approach, &other.seen) == (&own.approach, &own.seen)
            && other.limit.total_cmp(&own.limit).is_eq()
    })
}

fn owns(results: &Generalization) -> impl Iterator<Item = &Changed> {
    results.changes.iter().filter(|own| own.control == Control::Own)
}

/// A reduction, or a dash where there is none.
fn gone(own: Option<&Carried>) -> String {
    own.map_or(DASH.into(), |own| percent_estimate(&own.reduction))
}

fn over_contexts(ends: Option<[f64; 2]>) -> String {
    ends.map_or(DASH.into(), |[low, high]| format!("[{}..{}]", percent(low), percent(high)))
}

/// The lowest inlier ratio at home and in the other contexts.
fn lowest_inlier(results: &Generalization, change: &str) -> Option<f64> {
    let asked = results.outcomes.iter().filter(|own| {
        own.change == change && matches!(own.target, Target::Home(_) | Target::Elsewhere(_))
    });
    asked.map(|own| own.inlier.value).filter(|own| own.is_finite()).reduce(f64::min)
}

/// A share that is gone under a control, or that it makes nothing.
fn of_control(
    results: &Generalization,
    own: &Changed,
    control: Control,
    target: Option<&Target>,
) -> String {
    if let Some(other) = beside(results, own, control) {
        let value = match target {
            Some(target) => results.outcome(&other.id, target).map(|own| own.reduction.value),
            None => results.over_others(&other.id).map(|own| own.reduction.value),
        };
        return value.map_or(DASH.into(), percent);
    }
    let nothing = results.absent.iter().any(|other| {
        (&other.approach, &other.seen, other.control) == (&own.approach, &own.seen, control)
            && matches!(other.cause, Cause::ChoseNothing | Cause::Refused)
            && other.limit.is_none_or(|limit| limit.total_cmp(&own.limit).is_eq())
    });
    if nothing { "nothing made".into() } else { DASH.into() }
}

pub(super) fn matched(results: &Generalization) -> Section {
    let mut rows = Vec::new();
    for own in owns(results) {
        let Seen::Home(home) = &own.seen else { continue };
        let at_home = Target::Home(home.clone());
        let others = results.over_others(&own.id);
        let control = |control| of_control(results, own, control, None);
        rows.push(vec![
            own.approach.to_string(),
            short(home.as_str(), 30),
            nats(own.limit),
            size(own),
            own.log_loss.map_or(DASH.into(), |own| fixed(own, 4)),
            gone(results.outcome(&own.id, &Target::Names(home.clone()))),
            gone(results.outcome(&own.id, &at_home)),
            others.map_or(DASH.into(), |own| percent_estimate(&own.reduction)),
            others.map_or(DASH.into(), |own| over_contexts(own.over_contexts)),
            control(Control::Shuffled),
            control(Control::Random),
            probability(others.and_then(|own| own.p_placebo)),
            lowest_inlier(results, &own.id).map_or(DASH.into(), |own| fixed(own, 3)),
        ]);
    }
    Section {
        title: "At matched damage: at home and elsewhere".into(),
        note: "Share of the gap that is gone on held-out names [95 %]; above 100 % it is reversed. \
               Elsewhere is all other contexts with a measurable gap together, once with an interval \
               over names, once over contexts. The placebo is the same approach on shuffled groups, \
               dialled to the same damage; where it makes nothing, the unchanged model stands for it. \
               Random is as many random weights in every matrix; p is that of the difference from the \
               placebo elsewhere, not corrected."
            .into(),
        header: vec![
            "approach", "home", "limit", "size", "log-loss", "questions seen", "at home", "elsewhere",
            "over contexts", "placebo", "random", "p", "lowest inlier",
        ],
        rows,
        labels: 3,
        is_first: true,
    }
}

fn size(own: &Changed) -> String {
    let bound = own.bound.map_or("the most allowed".to_owned(), |own| own.to_string());
    match own.approach.is_mask() {
        true => format!("{} ({bound})", share(own.share)),
        false => format!("{} of it ({bound})", percent(own.strength)),
    }
}

pub(super) fn by_context(results: &Generalization) -> Section {
    let mut rows = Vec::new();
    for own in owns(results) {
        let Seen::Home(home) = &own.seen else { continue };
        let carried = results.outcomes.iter().filter(|other| other.change == own.id);
        for other in carried {
            let Target::Elsewhere(context) = &other.target else { continue };
            rows.push(vec![
                own.approach.to_string(),
                short(home.as_str(), 30),
                nats(own.limit),
                short(context.as_str(), 30),
                fixed(other.before, 2),
                fixed(other.after.value, 2),
                percent_estimate(&other.reduction),
                percent_estimate(&other.unsigned),
                format!(
                    "{} ({})",
                    fixed(other.size_after, 2),
                    other.size_by_chance.map_or(DASH.into(), |own| fixed(own, 2))
                ),
                probability(other.p),
                probability(other.p_placebo),
                other.reason.clone().unwrap_or_default(),
            ]);
        }
    }
    Section {
        title: "Context by context".into(),
        note: "The gap before and after, in the direction of the names seen; what is gone of it; the same \
               of mean |SMD|, and how large that is after, beside the size that shuffled labels give. p is \
               that of the change, and of the difference from the placebo."
            .into(),
        header: vec![
            "approach", "home", "limit", "context", "before", "after", "gone", "gone of |SMD|",
            "|SMD| (by chance)", "p", "p, placebo", "",
        ],
        rows,
        labels: 4,
        is_first: false,
    }
}

pub(super) fn left_out(results: &Generalization) -> Section {
    let mut rows = Vec::new();
    for own in owns(results) {
        let Seen::AllBut(context) = &own.seen else { continue };
        let target = Target::Elsewhere(context.clone());
        let found = results.outcome(&own.id, &target);
        let control = |control| of_control(results, own, control, Some(&target));
        rows.push(vec![
            own.approach.to_string(),
            short(context.as_str(), 30),
            nats(own.limit),
            size(own),
            own.log_loss.map_or(DASH.into(), |own| fixed(own, 4)),
            gone(found),
            control(Control::Shuffled),
            control(Control::Random),
            probability(found.and_then(|own| own.p_placebo)),
            found.map_or(DASH.into(), |own| fixed(own.inlier.value, 3)),
        ]);
    }
    Section {
        title: "From all contexts but one, tested on that one".into(),
        note: "Share of the gap that is gone on held-out names [95 %].".into(),
        header: vec![
            "approach", "left out", "limit", "size", "log-loss", "gone", "placebo", "random", "p",
            "inlier",
        ],
        rows,
        labels: 3,
        is_first: true,
    }
}

/// The masks of several homes behind a gate.
pub(super) fn gated(results: &Generalization) -> Section {
    let id = |seen: Seen, approach: &Approach, limit: f64| {
        let same = |other: &&Changed| {
            (&other.approach, &other.seen) == (approach, &seen)
                && other.limit.total_cmp(&limit).is_eq()
        };
        owns(results).find(same).map(|own| own.id.as_str())
    };
    let rows = results.gated.iter().map(|own| {
        let context = own.context.clone();
        let (seen, target) = match own.known {
            true => (Seen::Home(context.clone()), Target::Home(context.clone())),
            false => (Seen::AllBut(context.clone()), Target::Elsewhere(context.clone())),
        };
        let other = id(seen, &own.approach, own.limit);
        let first = own.chosen.iter().take(2);
        let chosen =
            first.map(|(home, often)| format!("{} {}", short(home.as_str(), 20), percent(*often)));
        vec![
            own.approach.to_string(),
            nats(own.limit),
            short(context.as_str(), 30),
            if own.known { "has a mask" } else { "has none" }.into(),
            chosen.collect::<Vec<_>>().join(", "),
            gone(Some(&own.carried)),
            gone(other.and_then(|other| results.outcome(other, &target))),
            probability(own.carried.p_placebo),
            fixed(own.carried.inlier.value, 3),
            own.carried.reason.clone().unwrap_or_default(),
        ]
    });
    Section {
        title: "Behind a gate".into(),
        note: "Each home has its mask, and a gate chooses one for every question, by the home whose \
               prompts it is most like. A context that has a mask is asked its held-out questions, and \
               compared with its own mask alone. One that has none is asked all of its questions, and \
               compared with one mask from all other contexts. p is that of the difference from \
               placebos behind the same gate."
            .into(),
        header: vec![
            "approach", "limit", "context", "its own mask", "chosen", "gone", "without a gate", "p",
            "inlier", "",
        ],
        rows: rows.collect(),
        labels: 5,
        is_first: true,
    }
}

pub(super) fn asked_otherwise(results: &Generalization) -> Section {
    let mut rows = Vec::new();
    for own in owns(results) {
        let carried = results.outcomes.iter().filter(|other| other.change == own.id);
        for other in carried {
            if !matches!(other.target, Target::Asking(..) | Target::Format(..)) {
                continue;
            }
            rows.push(vec![
                own.approach.to_string(),
                short(&own.seen.to_string(), 40),
                nats(own.limit),
                short(&other.target.to_string(), 60),
                percent_estimate(&other.reduction),
                fixed(other.inlier.value, 3),
                other.reason.clone().unwrap_or_default(),
            ]);
        }
    }
    Section {
        title: "Asked in another way".into(),
        note: "At home, on held-out names: questions of another kind than those seen, and the held-out \
               questions in another format."
            .into(),
        header: vec!["approach", "seen", "limit", "asked", "gone", "inlier", ""],
        rows,
        labels: 4,
        is_first: false,
    }
}
