//! The work of the protocol, and where each change is tested.

use std::collections::BTreeSet;

use bias_types::prompt::Context;

use super::formats::{contexts, derived};
use super::protocol::Protocol;
use crate::StudyError;
use crate::plan::{DialJob, Test};
use crate::prompts::{PromptSet, Variation, VariationIndex};
use crate::results::{Approach, Asking, Control, Scope, Seen, Split, Target};

/// Every job, home by home, so that what is done first is whole. Claims are about masks; the edits
/// that they are compared with see homes only.
pub(super) fn jobs(
    protocol: &Protocol,
    prompts: &PromptSet,
    tasks: Option<&str>,
) -> Result<Vec<DialJob>, StudyError> {
    let truth = protocol.truth_digest()?;
    let mut jobs = Vec::new();
    let mut add = |approach: &Approach, seen: Seen, shuffled: bool| {
        jobs.push(DialJob {
            approach: approach.clone(),
            seen,
            shuffled,
            limits: protocol.limits.clone(),
            most: protocol.most,
            probes: protocol.probes,
            tasks: tasks.map(str::to_owned),
            truth: truth.clone().filter(|_| *approach == Approach::Planted),
        });
    };
    let several = contexts(prompts).len() > 2;
    for home in &protocol.homes {
        let asked = main_asking(prompts, home);
        for approach in &protocol.approaches {
            let planted = *approach == Approach::Planted;
            let mut seen = vec![Seen::Home(home.clone())];
            if several && approach.is_mask() {
                seen.push(Seen::AllBut(home.clone()));
            }
            for seen in seen {
                add(approach, seen.clone(), false);
                // What was planted does not follow from groups.
                if !planted {
                    add(approach, seen, true);
                }
            }
            if let Some(asking) = asked.filter(|_| approach.is_mask() && !planted) {
                add(approach, Seen::Asking(home.clone(), asking), false);
            }
        }
    }
    Ok(jobs)
}

/// The way in which most of a home's attribution variations ask, the first of equals, if its
/// questions ask in several ways.
pub(super) fn main_asking(prompts: &PromptSet, home: &Context) -> Option<Asking> {
    let own = prompts.contexts.get(prompts.index_of(home.as_str())?)?;
    let ways: BTreeSet<Asking> = own.variations.iter().map(|v| Asking::of(&v.form)).collect();
    let count = |asking: &Asking| {
        let seen = |v: &&Variation| v.split == Split::Attribution && Asking::of(&v.form) == *asking;
        own.variations.iter().filter(seen).count()
    };
    let most = ways.iter().map(count).max().filter(|most| *most > 0 && ways.len() > 1)?;
    ways.iter().find(|asking| count(asking) == most).copied()
}

/// The variations that an approach sees.
pub(super) fn places(prompts: &PromptSet, seen: &Seen) -> Vec<VariationIndex> {
    let of = |c: usize, keep: &dyn Fn(&Variation) -> bool| {
        prompts.places(c, |v| v.split == Split::Attribution && keep(v))
    };
    let home = prompts.index_of(seen.context().as_str());
    match (seen, home) {
        (Seen::Home(_), Some(c)) => of(c, &|_| true),
        (Seen::Asking(_, asking), Some(c)) => of(c, &|v| Asking::of(&v.form) == *asking),
        (Seen::AllBut(_), Some(home)) => {
            let others = contexts(prompts).into_iter().filter(|c| *c != home);
            others.flat_map(|c| of(c, &|_| true)).collect()
        }
        (_, None) => Vec::new(),
    }
}

/// Where a change is tested.
pub(super) fn targets(
    protocol: &Protocol,
    prompts: &PromptSet,
    seen: &Seen,
    control: Control,
) -> Vec<Target> {
    let name = |c: usize| prompts.contexts[c].context.clone();
    let mut targets = match seen {
        Seen::Home(own) => {
            let others = contexts(prompts).into_iter().map(name).filter(|c| c != own);
            let home = [Target::Names(own.clone()), Target::Home(own.clone())];
            let formats = protocol.formats.iter().filter(|_| control == Control::Own);
            let formats = formats.map(|format| Target::Format(own.clone(), *format));
            home.into_iter().chain(others.map(Target::Elsewhere)).chain(formats).collect()
        }
        Seen::Asking(own, seen) => {
            let all = prompts.index_of(own.as_str()).map(|c| &prompts.contexts[c].variations);
            let ways: BTreeSet<Asking> =
                all.into_iter().flatten().map(|v| Asking::of(&v.form)).collect();
            ways.into_iter()
                .filter(|way| way != seen)
                .map(|w| Target::Asking(own.clone(), w))
                .collect()
        }
        Seen::AllBut(own) => vec![Target::Elsewhere(own.clone())],
    };
    targets.retain(|target| !test(prompts, target).places.is_empty());
    targets
}

/// All targets of the protocol, each once.
pub(super) fn all_targets(protocol: &Protocol, prompts: &PromptSet) -> Vec<Target> {
    let homes = protocol.homes.iter();
    let seen = homes.clone().map(|c| Seen::Home(c.clone())).chain(homes.flat_map(|c| {
        let asking = main_asking(prompts, c).map(|asking| Seen::Asking(c.clone(), asking));
        std::iter::once(Seen::AllBut(c.clone())).chain(asking)
    }));
    let all: BTreeSet<Target> =
        seen.flat_map(|seen| targets(protocol, prompts, &seen, Control::Own)).collect();
    all.into_iter().collect()
}

/// The questions of a target.
pub(super) fn test(prompts: &PromptSet, target: &Target) -> Test {
    let put = match target {
        Target::Format(home, format) => derived(home, *format).ok(),
        other => Some(other.context().clone()),
    };
    let context = put.and_then(|name| prompts.index_of(name.as_str()));
    let Some(context) = context else {
        return Test { scope: Scope::HeldOut, context: 0, places: Vec::new() };
    };
    let places = prompts.places(context, |v| match target {
        Target::Names(_) => v.split == Split::Attribution,
        Target::Home(_) | Target::Format(..) => v.split == Split::HeldOut,
        Target::Elsewhere(_) => true,
        Target::Asking(_, asking) => Asking::of(&v.form) == *asking,
    });
    Test { scope: Scope::HeldOut, context, places }
}
