//! What the masks of several homes do together, behind a gate that chooses one for each question.

use std::collections::BTreeMap;

use bias_ask::Tokenize;
use bias_types::prompt::Context;
use burn::tensor::backend::AutodiffBackend;
use serde::{Deserialize, Serialize};

use super::formats::contexts;
use super::gap::Gap;
use super::jobs::places;
use super::kept::Kept;
use super::outcomes::Sums;
use super::protocol::Protocol;
use crate::StudyError;
use crate::gate::{Gate, middle, read};
use crate::prompts::VariationIndex;
use crate::results::{Approach, Control, Gated, Seen, Target};
use crate::run::Study;
use crate::statistics::{Measured, Reference};
use crate::store::Piece;
use crate::studied::Studied;

/// A gate between homes, and what it chooses for the people that tests ask about.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct GateChoices {
    pub gate: Gate,
    chosen: Vec<Chosen>,
}

/// The homes chosen for one variation, person by person, by their place among the homes.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Chosen {
    place: VariationIndex,
    /// By a gate that knows all homes.
    of_all: Vec<usize>,
    /// By a gate that knows all homes but the variation's own context; empty where fewer than two
    /// are left.
    of_others: Vec<usize>,
}

impl<A: AutodiffBackend, M: Studied<A>, T: Tokenize + Sync> Study<'_, A, M, T> {
    /// The homes that something was tried on.
    fn tried_homes(
        &self,
        protocol: &Protocol,
        reference: &Reference,
    ) -> Result<Vec<Context>, StudyError> {
        let mut homes = Vec::new();
        for home in &protocol.homes {
            if self.nothing_at(&Seen::Home(home.clone()), reference)?.is_none() {
                homes.push(home.clone());
            }
        }
        Ok(homes)
    }

    /// Makes the gate between the homes and keeps what it chooses, unless there are fewer than two
    /// homes. It sees the prompts that attribution sees.
    pub(super) fn make_gate(
        &self,
        protocol: &Protocol,
        reference: &Reference,
    ) -> Result<(), StudyError> {
        let homes = self.tried_homes(protocol, reference)?;
        let piece = Piece::Gate(&homes);
        if homes.len() < 2 || self.store.has(&piece)? {
            return Ok(());
        }
        let model = self.model.model();
        let layer = middle(model.dims().layers);
        let of_home = |home: &Context| -> Result<Vec<Vec<f64>>, StudyError> {
            let places = places(self.prompts, &Seen::Home(home.clone()));
            let seen: Vec<_> = places.iter().flat_map(|own| self.questions.seen(*own)).collect();
            Ok(read(model, &seen, layer)?)
        };
        let seen: Vec<(&Context, Vec<Vec<f64>>)> =
            homes.iter().map(|own| Ok((own, of_home(own)?))).collect::<Result<_, StudyError>>()?;
        let gate = Gate::fit(layer, &seen)?;
        let index = |gate: &Gate, read: &[f64]| -> Result<usize, StudyError> {
            let found = gate.nearest(read)?;
            Ok(homes.iter().position(|own| own == found).unwrap_or_default())
        };
        let mut chosen = Vec::new();
        for c in contexts(self.prompts) {
            let others = seen.iter().filter(|(own, _)| **own != self.prompts.contexts[c].context);
            let others: Vec<_> = others.cloned().collect();
            let other = (others.len() >= 2).then(|| Gate::fit(layer, &others)).transpose()?;
            for place in self.prompts.places(c, |_| true) {
                let about = self.questions.about(place, self.prompts.tested());
                let reads = read(model, &about, layer)?;
                let of = |gate: &Gate| reads.iter().map(|own| index(gate, own)).collect();
                let of_others = other.as_ref().map_or_else(|| Ok(Vec::new()), of)?;
                chosen.push(Chosen { place, of_all: of(&gate)?, of_others });
            }
        }
        self.store.put(&piece, GateChoices { gate, chosen })
    }

    /// The gate of a finished run; `None` with fewer than two homes.
    ///
    /// # Errors
    /// [`StudyError::Unfinished`]; see [`StudyError`].
    pub fn gate(&mut self, protocol: &Protocol) -> Result<Option<Gate>, StudyError> {
        let reference = self.reference()?;
        Ok(self.gate_choices(protocol, &reference)?.map(|(_, own)| own.gate))
    }

    fn gate_choices(
        &self,
        protocol: &Protocol,
        reference: &Reference,
    ) -> Result<Option<(Vec<Context>, GateChoices)>, StudyError> {
        let homes = self.tried_homes(protocol, reference)?;
        if homes.len() < 2 {
            return Ok(None);
        }
        let own = self.store.finished(&Piece::Gate(&homes))?;
        Ok(Some((homes, own)))
    }

    /// What each approach's masks do behind the gate: in each home, whose mask is among them, and
    /// in each context without its own mask.
    pub(super) fn gated(
        &self,
        protocol: &Protocol,
        sums: &Sums<'_>,
        gaps: &[Gap],
        kept: &[Kept],
    ) -> Result<Vec<Gated>, StudyError> {
        let Some((homes, choices)) = self.gate_choices(protocol, sums.reference)? else {
            return Ok(Vec::new());
        };
        let chosen: BTreeMap<VariationIndex, &Chosen> =
            choices.chosen.iter().map(|own| (own.place, own)).collect();
        let behind = Behind { homes: &homes, chosen, kept, reference: sums.reference };
        let mut found = Vec::new();
        let masks = protocol.approaches.iter().filter(|own| own.is_mask());
        for (approach, limit) in
            masks.flat_map(|own| protocol.limits.iter().map(move |limit| (own, *limit)))
        {
            for gap in gaps {
                let known = match &gap.target {
                    Target::Home(own) => homes.contains(own),
                    Target::Elsewhere(_) => false,
                    _ => continue,
                };
                if matches!(gap.target, Target::Home(_)) && !known {
                    continue;
                }
                let Some(own) = behind.answers(approach, limit, Control::Own, gap, known) else {
                    continue;
                };
                let placebo = || behind.answers(approach, limit, Control::Shuffled, gap, known);
                let placebo = if *approach == Approach::Planted { None } else { placebo() };
                found.push(Gated {
                    approach: approach.clone(),
                    limit,
                    context: gap.target.context().clone(),
                    known,
                    chosen: behind.shares(gap, known),
                    carried: sums.answered(
                        &format!("{approach}/gate/{limit}"),
                        gap,
                        &own.iter().collect::<Vec<_>>(),
                        placebo.as_ref().map(|own| own.iter().collect()),
                    )?,
                });
            }
        }
        Ok(found)
    }
}

/// Finished changes with what a gate chooses among them.
struct Behind<'k> {
    homes: &'k [Context],
    chosen: BTreeMap<VariationIndex, &'k Chosen>,
    kept: &'k [Kept],
    reference: &'k Reference,
}

impl Behind<'_> {
    fn choices(&self, place: VariationIndex, known: bool) -> Option<&[usize]> {
        let own = self.chosen.get(&place)?;
        let choices = if known { &own.of_all } else { &own.of_others };
        (!choices.is_empty()).then_some(choices)
    }

    /// The answers to the questions of a target, each under the mask that the gate chose; under
    /// none, where that home has no mask within the limit. `None` if the gate chooses nothing
    /// there, or no home has a mask.
    fn answers(
        &self,
        approach: &Approach,
        limit: f64,
        control: Control,
        gap: &Gap,
        known: bool,
    ) -> Option<Vec<Measured>> {
        let mask = |home: &Context| {
            self.kept.iter().find(|own| {
                own.changed.control == control
                    && own.changed.approach == *approach
                    && own.changed.seen == Seen::Home(home.clone())
                    && own.changed.limit.total_cmp(&limit).is_eq()
            })
        };
        let masks: Vec<Option<&Kept>> = self.homes.iter().map(mask).collect();
        // A placebo that is made nowhere is the unchanged model.
        if control == Control::Own && masks.iter().all(Option::is_none) {
            return None;
        }
        let of = |place: &VariationIndex| {
            let own = self.choices(*place, known)?.iter().map(|home| match masks.get(*home)? {
                Some(kept) => kept.tested.at(*place),
                None => self.reference.tested.get(place),
            });
            Measured::by_person(&own.collect::<Option<Vec<_>>>()?)
        };
        gap.test.places.iter().map(of).collect()
    }

    /// How often the gate chooses each home for the questions of a target.
    fn shares(&self, gap: &Gap, known: bool) -> Vec<(Context, f64)> {
        let mut counts = vec![0usize; self.homes.len()];
        for home in gap.test.places.iter().filter_map(|own| self.choices(*own, known)).flatten() {
            if let Some(count) = counts.get_mut(*home) {
                *count += 1;
            }
        }
        let all = counts.iter().sum::<usize>().max(1) as f64;
        let own = self.homes.iter().zip(counts).filter(|(_, count)| *count > 0);
        let mut shares: Vec<_> =
            own.map(|(home, count)| (home.clone(), count as f64 / all)).collect();
        shares.sort_by(|a, b| b.1.total_cmp(&a.1));
        shares
    }
}
