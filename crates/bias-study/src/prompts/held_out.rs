use std::collections::BTreeSet;

use bias_metrics::Arm;
use bias_types::prompt::{Context, Group};

use super::set::{Person, PromptSet};
use crate::results::Split;

impl PromptSet {
    /// Whether some names are held out from attribution. If not, attribution and tests use all
    /// names.
    #[must_use]
    pub fn holds_out_names(&self) -> bool {
        let mut people = self.contexts.iter().flat_map(|c| &c.variations).flat_map(|v| &v.people);
        people.any(|p| p.split == Split::HeldOut)
    }

    /// For a quick run, keeps at most `seen` names per side for attribution and `tested` for tests,
    /// evenly spread over the list (at least two of each). If no names are held out, keeps the sum
    /// of both.
    pub fn thin(&mut self, seen: usize, tested: usize) {
        let splits = if self.holds_out_names() {
            vec![(Some(Split::Attribution), seen), (Some(Split::HeldOut), tested)]
        } else {
            vec![(None, seen + tested)]
        };
        for variation in self.contexts.iter_mut().flat_map(|c| &mut c.variations) {
            let mut kept = Vec::new();
            for arm in [Arm::A, Arm::B] {
                for &(split, names) in &splits {
                    // By group, so that men and women stay balanced.
                    let wanted =
                        |p: &&Person| p.arm == arm && split.is_none_or(|split| p.split == split);
                    let mut own: Vec<&Person> = variation.people.iter().filter(wanted).collect();
                    own.sort_by(|a, b| a.group.cmp(&b.group).then_with(|| a.name.cmp(&b.name)));
                    let keep = names.max(2).min(own.len());
                    kept.extend(
                        (0..keep)
                            .filter_map(|i| own.get(i * own.len() / keep))
                            .map(|p| (*p).clone()),
                    );
                }
            }
            kept.sort();
            variation.people = kept;
        }
    }

    /// Holds out every second name of each side, group by group, in the same way for every context.
    /// Holds out nobody if a context would be left with fewer than two names of a side.
    pub(super) fn hold_out_names(&mut self) {
        let all = self.contexts.iter().flat_map(|c| &c.variations).flat_map(|v| &v.people);
        let names: BTreeSet<(Arm, Group, String)> =
            all.map(|p| (p.arm, p.group.clone(), p.name.clone())).collect();
        let of = |arm| names.iter().filter(move |own| own.0 == arm).enumerate();
        let held_out: BTreeSet<&(Arm, Group, String)> = [Arm::A, Arm::B]
            .into_iter()
            .flat_map(of)
            .filter(|(i, _)| i % 2 == 1)
            .map(|(_, own)| own)
            .collect();
        for person in
            self.contexts.iter_mut().flat_map(|c| &mut c.variations).flat_map(|v| &mut v.people)
        {
            let own = (person.arm, person.group.clone(), person.name.clone());
            person.split =
                if held_out.contains(&own) { Split::HeldOut } else { Split::Attribution };
        }
        if self.too_few().is_some() {
            let everybody = self
                .contexts
                .iter_mut()
                .flat_map(|c| &mut c.variations)
                .flat_map(|v| &mut v.people);
            everybody.for_each(|person| person.split = Split::Attribution);
        }
    }

    /// A context and a split in which a side has fewer than two names.
    pub(super) fn too_few(&self) -> Option<(&Context, Split)> {
        let splits = [Split::Attribution, Split::HeldOut];
        self.contexts.iter().find_map(|own| {
            let people = &own.variations.first()?.people;
            let few = |split| {
                let count =
                    |arm| people.iter().filter(|p| p.arm == arm && p.split == split).count();
                count(Arm::A) < 2 || count(Arm::B) < 2
            };
            splits.into_iter().find(|split| few(*split)).map(|split| (&own.context, split))
        })
    }
}
