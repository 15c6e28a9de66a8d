//! Benchmarks and capability tasks: from kept scores to results.

use std::collections::{BTreeMap, BTreeSet};

use bias_frameworks::ItemSet;
use bias_frameworks::items::Item;
use bias_frameworks::report::{Change, ChangedMeasure, Measured, changes, correct_changes, report};
use bias_frameworks::score::Scored;
use bias_metrics::Bootstrap;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use crate::StudyError;
use crate::results::{Also, AlsoChange, Settings};
use crate::store::{Found, KeptItems, Piece, Store};

/// The scores of every set before and after every mask; `None` without a set. Sets are named by
/// their digests, by which their items are kept among the pieces.
pub(crate) fn also(
    names: &[String],
    found: &[Found],
    settings: &Settings,
    store: &Store,
) -> Result<Option<Also>, StudyError> {
    if names.is_empty() {
        return Ok(None);
    }
    let bootstrap = Bootstrap::new(settings.seed).resamples(settings.resamples)?;
    let kept: Vec<KeptItems> = names
        .iter()
        .map(|name| store.finished(&Piece::AlsoItems(name)))
        .collect::<Result<_, _>>()?;
    let (digests, sets): (Vec<String>, Vec<ItemSet>) =
        kept.into_iter().map(|own| (own.texts, own.set)).unzip();
    let read = |change: Option<&str>| -> Result<Vec<Scored>, StudyError> {
        let own = sets.iter().zip(&digests);
        own.map(|(set, digest)| scores(store, set, &Piece::Also(digest, change))).collect()
    };
    let before = read(None)?;
    let measured: Vec<Measured<'_>> = sets
        .iter()
        .zip(&before)
        .map(|(set, before)| Measured { set, before, after: None })
        .collect();
    let frameworks = report("", None, &measured, &bootstrap)?.frameworks;
    // Two methods may find the same mask.
    let known: BTreeSet<&str> = found.iter().map(Found::change).collect();
    let known: Vec<&str> = known.into_iter().collect();
    let changed = known.par_iter().map(|change| {
        let after = read(Some(change))?;
        let mut all: Vec<(usize, ChangedMeasure)> = Vec::new();
        for (i, ((set, before), after)) in sets.iter().zip(&before).zip(&after).enumerate() {
            all.extend(changes(set, before, after, &bootstrap)?.into_iter().map(|own| (i, own)));
        }
        correct_changes(all.iter_mut().map(|(_, own)| &mut own.change))?;
        Ok(((*change).to_owned(), all))
    });
    let changed: BTreeMap<String, Vec<(usize, ChangedMeasure)>> =
        changed.collect::<Result<_, StudyError>>()?;
    let changes = found.iter().flat_map(|own| {
        let all = changed.get(own.change()).into_iter().flatten();
        all.map(|(i, measure)| {
            let Change { difference, interval, p, p_holm, test } = measure.change;
            AlsoChange {
                strategy: own.strategy.id.clone(),
                framework: sets[*i].framework,
                measure: measure.name.clone(),
                after: measure.after,
                difference,
                interval: interval.map(|own| [own.low, own.high]),
                p,
                p_holm,
                test,
            }
        })
    });
    Ok(Some(Also { sets: names.to_vec(), frameworks, changes: changes.collect() }))
}

/// The kept scores of a set.
fn scores(store: &Store, set: &ItemSet, piece: &Piece<'_>) -> Result<Scored, StudyError> {
    let own: Scored = store.finished(piece)?;
    let fits = |(item, scores): (&Item, &Option<Vec<_>>)| {
        scores.as_ref().is_none_or(|own| own.len() == item.texts())
    };
    let whole = own.scores.len() == set.items.len();
    if whole && set.items.iter().zip(&own.scores).all(fits) {
        return Ok(own);
    }
    Err(store.damaged(piece, "it has scores of other items"))
}
