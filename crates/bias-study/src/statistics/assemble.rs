//! From finished pieces to results, without a model.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bias_metrics::Arm;

use super::also::also;
use super::groups::group_differences;
use super::locate::locate;
use super::measure::Measure;
use super::overlaps::overlaps;
use super::reference::Reference;
use super::tested::Tested;
use crate::StudyError;
use crate::plan::{jobs, tests_of};
use crate::prompts::PromptSet;
use crate::results::{
    ContextInfo, Experiment, FORMAT, LeftOut, Plan, PromptInfo, Results, Split, TrainedOn, method,
};
use crate::store::{Found, JobFound, Piece, Provenance, Store};

/// All results of a finished study. They are a pure function of the pieces, and so the same at any
/// time and place.
pub(crate) fn assemble(
    prompts: &PromptSet,
    provenance: &Provenance,
    experiments: &[Experiment],
    plan: Plan,
    also_scored: &[String],
    store: &Store,
) -> Result<Results, StudyError> {
    let measure = Measure::new(&provenance.settings)?;
    let reference = Reference::read(store, prompts, &measure)?;
    let model = provenance.model.info()?;
    let dims = model.dims;
    let (mut found, mut left_out): (Vec<Found>, Vec<LeftOut>) = (Vec::new(), Vec::new());
    for job in jobs(prompts, plan, &provenance.focus, experiments) {
        let own: JobFound = store.finished(&Piece::Found(&job))?;
        found.extend(own.found);
        left_out.extend(own.left_out);
    }
    let (mut outcomes, mut locations, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    if experiments.contains(&Experiment::Groups) {
        groups.extend(group_differences(
            prompts,
            &reference,
            None,
            &measure,
            provenance.settings.seed,
        )?);
    }
    let mut known: BTreeMap<(TrainedOn, String), Vec<_>> = BTreeMap::new();
    for own in &mut found {
        let tests = tests_of(prompts, plan, &own.strategy);
        let tested = Tested::read(store, prompts, own.change(), &tests)?;
        own.strategy.perplexity_change = tested.perplexity_change;
        let strategy = &own.strategy;
        // Two methods may find the same mask.
        let key = (strategy.trained_on.clone(), own.change().to_owned());
        let all = match known.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                new.insert(tested.outcomes(&strategy.id, &tests, &reference, prompts, &measure)?)
            }
        };
        outcomes.extend(all.iter().cloned().map(|mut outcome| {
            outcome.strategy.clone_from(&strategy.id);
            outcome
        }));
        if strategy.experiment != Experiment::Transfer
            || matches!(strategy.trained_on, TrainedOn::Variation(..))
        {
            continue;
        }
        if experiments.contains(&Experiment::Groups) && GROUPED.contains(&strategy.method.as_str())
        {
            groups.extend(group_differences(
                prompts,
                &reference,
                Some((strategy, &tested, &tests)),
                &measure,
                provenance.settings.seed,
            )?);
        }
        if let Some(name) = own.mask.as_ref().filter(|_| strategy.null_of.is_none()) {
            locations.extend(locate(&strategy.id, &store.mask(name)?, &dims));
        }
    }
    let overlaps = overlaps(&found, store)?;
    let also = also(also_scored, &found, &provenance.settings, store)?;
    Ok(Results {
        format: FORMAT.into(),
        model,
        prompts: prompt_info(prompts),
        settings: provenance.settings.clone(),
        focus: provenance.focus.clone(),
        experiments: experiments.to_vec(),
        plan,
        baseline: reference.baselines(prompts, &measure)?,
        neutral_perplexity: store.finished(&Piece::Perplexity(None))?,
        strategies: found.into_iter().map(|own| own.strategy).collect(),
        outcomes,
        overlaps,
        locations,
        groups,
        left_out,
        also,
    })
}

/// The methods whose effect on groups of names is measured.
const GROUPED: [&str; 2] = [method::GAP_PURSUIT, method::WANDA_B_A];

/// The part of `results.json` about the prompts.
pub(crate) fn prompt_info(prompts: &PromptSet) -> PromptInfo {
    let contexts = prompts.contexts.iter().map(|own| {
        let of = |split| {
            own.variations
                .iter()
                .filter(move |v| v.split == split)
                .map(|v| v.name.clone())
                .collect()
        };
        let people = &own.variations[0].people;
        let of_names = |split| {
            let count = |arm| people.iter().filter(|p| p.arm == arm && p.split == split).count();
            [count(Arm::A), count(Arm::B)]
        };
        let (seen, held_out_names) = (of_names(Split::Attribution), of_names(Split::HeldOut));
        ContextInfo {
            context: own.context.clone(),
            higher_is_better: own.higher_is_better,
            attribution: of(Split::Attribution),
            held_out: of(Split::HeldOut),
            names: [seen[0] + held_out_names[0], seen[1] + held_out_names[1]],
            held_out_names,
            example: people[0].text.clone(),
            forms: own.variations.iter().map(|v| (v.name.clone(), v.form.clone())).collect(),
        }
    });
    PromptInfo {
        sha256: prompts.sha256.clone(),
        attribute: prompts.attribute.clone(),
        groups: prompts.groups.clone(),
        contexts: contexts.collect(),
        on_both_sides: prompts.on_both_sides(),
    }
}
