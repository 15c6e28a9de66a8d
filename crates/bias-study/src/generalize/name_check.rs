use std::collections::{BTreeMap, BTreeSet};

use bias_ask::text::NameParts;
use bias_metrics::Arm;

use crate::prompts::{Names, Person, PromptSet};
use crate::results::NameCheck;

/// Whether tested names are others than those seen, and whether their surnames tell the group.
pub(super) fn name_check(prompts: &PromptSet) -> NameCheck {
    let people: Vec<&Person> =
        prompts.contexts.first().into_iter().flat_map(|own| &own.variations[0].people).collect();
    let count = |names: Names| {
        [Arm::A, Arm::B].map(|arm| {
            people.iter().filter(|own| own.arm == arm && names.include(own.split)).count()
        })
    };
    let of = |names: Names| {
        let own = people.iter().filter(move |own| names.include(own.split));
        own.filter_map(|own| Some((NameParts::of(&own.name).last()?.to_owned(), own.arm)))
    };
    let mut tested: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    for (surname, arm) in of(prompts.tested()) {
        tested.entry(surname).or_default()[usize::from(arm == Arm::B)] += 1;
    }
    let seen: BTreeSet<String> = of(prompts.attributed()).map(|(surname, _)| surname).collect();
    let all: usize = tested.values().flatten().sum();
    let guessed: usize = tested.values().map(|[a, b]| *a.max(b)).sum();
    NameCheck {
        held_out: prompts.holds_out_names(),
        seen: count(prompts.attributed()),
        tested: count(prompts.tested()),
        told_by_surname: (all > 0).then(|| guessed as f64 / all as f64),
        surnames: [tested.len(), tested.keys().filter(|own| seen.contains(*own)).count()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompts::{ContextPrompts, Variation};
    use crate::results::{Form, Split};

    #[test]
    fn surnames_that_tell_the_group_are_seen_to() {
        let set = |names: [(&str, Arm, Split); 6]| {
            let people = names.map(|(name, arm, split)| Person {
                arm,
                name: name.into(),
                group: "g".parse().unwrap(),
                text: String::new(),
                split,
                by: Vec::new(),
            });
            PromptSet::of(vec![ContextPrompts {
                context: "pay".parse().unwrap(),
                higher_is_better: true,
                per: None,
                variations: vec![Variation {
                    name: "v".into(),
                    form: Form::default(),
                    split: Split::HeldOut,
                    people: people.into(),
                }],
            }])
        };
        let (seen, held_out) = (Split::Attribution, Split::HeldOut);
        let told = name_check(&set([
            ("Todd Becker", Arm::A, seen),
            ("Jamal Washington", Arm::B, seen),
            ("Emily Becker", Arm::A, held_out),
            ("Anne Becker", Arm::A, held_out),
            ("Tyra Washington", Arm::B, held_out),
            ("Latoya Washington", Arm::B, held_out),
        ]));
        assert_eq!((told.told_by_surname, told.surnames), (Some(1.0), [2, 2]));
        assert_eq!((told.held_out, told.seen, told.tested), (true, [1, 1], [2, 2]));
        let balanced = name_check(&set([
            ("Todd Hill", Arm::A, seen),
            ("Jamal Hill", Arm::B, seen),
            ("Emily Davis", Arm::A, held_out),
            ("Anne Harris", Arm::A, held_out),
            ("Tyra Davis", Arm::B, held_out),
            ("Latoya Harris", Arm::B, held_out),
        ]));
        assert_eq!((balanced.told_by_surname, balanced.surnames), (Some(0.5), [2, 0]));
    }
}
