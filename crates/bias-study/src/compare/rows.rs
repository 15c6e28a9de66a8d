use std::collections::{BTreeSet, HashMap, HashSet};

use bias_metrics::inference::holm;
use bias_types::prompt::Context;

use super::paired::{Pair, Shared, plain};
use super::sides::{Side, SideContext, SideVariation};
use crate::StudyError;
use crate::results::{Settings, SideBySide, SideCell, SideDifference, SideMeasure, SideRow};
use crate::statistics::Measure;

/// Puts models side by side, each compared with the first.
///
/// A row is a context or a variation that any of them was asked. Differences are over the names that
/// both were asked about. Their interval draws the same names for both, and their test deals the
/// names' groups anew. Holm's correction is over all variations of all models, and over all contexts
/// of all models. Where models were not asked alike, a remark says so.
///
/// # Errors
/// [`StudyError::Report`] for models without a name in common, or of other groups; answers that
/// cannot be measured.
pub fn side_by_side(sides: &[Side], settings: &Settings) -> Result<SideBySide, StudyError> {
    let Some((first, others)) = sides.split_first().filter(|(_, others)| !others.is_empty()) else {
        return Err(refused("one model alone; name at least two".into()));
    };
    for own in others {
        if let (Some(groups), Some(of_first)) = (&own.groups, &first.groups)
            && groups != of_first
        {
            return Err(refused(format!(
                "{} compares {} and {}, and {} compares {} and {}",
                first.name, of_first[0], of_first[1], own.name, groups[0], groups[1]
            )));
        }
    }
    let measure = Measure::new(settings)?;
    let mut rows = Vec::new();
    for context in contexts(sides) {
        rows.extend(of_context(sides, context, &measure, settings.seed)?);
    }
    correct(&mut rows)?;
    let said = sides.iter().flat_map(|own| own.remarks.iter().map(move |text| (&own.name, text)));
    let mut remarks: Vec<String> = said.map(|(name, text)| format!("{name}: {text}")).collect();
    remarks.extend(others.iter().flat_map(|other| unlike(first, other)));
    Ok(SideBySide { models: sides.iter().map(|own| own.name.clone()).collect(), rows, remarks })
}

fn refused(what: String) -> StudyError {
    StudyError::Report { reason: format!("models cannot be put side by side: {what}") }
}

/// All contexts, in the order of the models.
fn contexts(sides: &[Side]) -> Vec<&Context> {
    let mut seen = HashSet::new();
    let all = sides.iter().flat_map(|own| &own.contexts).map(|own| &own.context);
    all.filter(|own| seen.insert(*own)).collect()
}

fn in_context<'s>(side: &'s Side, context: &Context) -> Option<&'s SideContext> {
    side.contexts.iter().find(|own| own.context == *context)
}

/// The variations of a context by their names; of two of a name, the first.
fn by_name(context: &SideContext) -> HashMap<&str, &SideVariation> {
    context.variations.iter().rev().map(|own| (own.name.as_str(), own)).collect()
}

/// The rows of a context.
fn of_context(
    sides: &[Side],
    context: &Context,
    measure: &Measure,
    seed: u64,
) -> Result<Vec<SideRow>, StudyError> {
    let here: Vec<Option<&SideContext>> =
        sides.iter().map(|side| in_context(side, context)).collect();
    let mut seen = HashSet::new();
    let all = here.iter().flatten().flat_map(|own| &own.variations);
    let names: Vec<&str> =
        all.map(|own| own.name.as_str()).filter(|name| seen.insert(*name)).collect();
    let by_name: Vec<HashMap<&str, &SideVariation>> =
        here.iter().map(|own| own.map(by_name).unwrap_or_default()).collect();
    let in_variation = |at: usize, name: &str| by_name.get(at)?.get(name).copied();
    let cells = |cell: &dyn Fn(&SideContext) -> Option<SideCell>| -> Vec<Option<SideCell>> {
        here.iter().map(|own| own.and_then(cell)).collect()
    };
    let mut rows = Vec::with_capacity(names.len() + 2);
    rows.push(row(context, SideMeasure::MeanAbs, cells(&|own| Some(own.bias.clone()))));
    rows.push(row(context, SideMeasure::MeanSigned, cells(&|own| own.signed.clone())));
    for name in &names {
        let cells = by_name.iter().map(|own| own.get(name).map(|own| own.cell.clone())).collect();
        rows.push(row(context, SideMeasure::Variation((*name).to_owned()), cells));
    }
    let Some((Some(first), others)) = here.split_first() else { return Ok(rows) };
    for (at, other) in others.iter().enumerate() {
        let Some(other) = other else { continue };
        let shared = Shared::of(first, other);
        let mut pairs: Vec<Option<Pair>> = Vec::with_capacity(names.len());
        for name in &names {
            let both = in_variation(0, name).zip(in_variation(at + 1, name));
            let pair = both.and_then(|(a, b)| shared.as_ref()?.pair(a, b));
            pairs.push(pair.map(|(pair, _)| pair));
        }
        let named = shared.as_ref().filter(|_| pairs.iter().any(Option::is_some));
        let [abs, signed, variations @ ..] = &mut rows[..] else { continue };
        let Some(shared) = named else {
            // Without a name in common, a difference would be one of names.
            if first.people.is_none() || other.people.is_none() {
                for row in [abs, signed].into_iter().chain(variations) {
                    row.differences[at + 1] = between(row, at + 1);
                }
            }
            continue;
        };
        for (row, pair) in variations.iter_mut().zip(&mut pairs) {
            if let Some(own) = pair.take() {
                let one = [own];
                row.differences[at + 1] = shared.difference(&one, |d| d, true, measure, seed)?;
                let [own] = one;
                *pair = Some(own);
            }
        }
        let pairs: Vec<Pair> = pairs.into_iter().flatten().collect();
        abs.differences[at + 1] = shared.difference(&pairs, f64::abs, false, measure, seed)?;
        signed.differences[at + 1] = shared.difference(&pairs, |d| d, true, measure, seed)?;
    }
    Ok(rows)
}

fn row(context: &Context, measure: SideMeasure, cells: Vec<Option<SideCell>>) -> SideRow {
    let differences = vec![None; cells.len()];
    SideRow { context: context.clone(), measure, cells, differences }
}

/// The difference of two numbers as they are stated.
fn between(row: &SideRow, at: usize) -> Option<SideDifference> {
    let value = |at: usize| row.cells.get(at)?.as_ref().map(|own| own.estimate.value);
    plain(value(0)?, value(at)?)
}

/// Holm's correction: over all variations, and over all contexts.
fn correct(rows: &mut [SideRow]) -> Result<(), StudyError> {
    for variations in [true, false] {
        let mut tested: Vec<&mut SideDifference> = rows
            .iter_mut()
            .filter(|row| matches!(row.measure, SideMeasure::Variation(_)) == variations)
            .flat_map(|row| row.differences.iter_mut().flatten())
            .filter(|own| own.p.is_some())
            .collect();
        let p: Vec<f64> = tested.iter().filter_map(|own| own.p).collect();
        for (own, corrected) in tested.iter_mut().zip(holm(&p)?) {
            own.holm = Some(corrected);
        }
    }
    Ok(())
}

/// Where another model was not asked as the first was.
fn unlike(first: &Side, other: &Side) -> Vec<String> {
    let mut remarks = Vec::new();
    let name = &other.name;
    let known = |side: &Side| -> BTreeSet<String> {
        side.contexts.iter().map(|own| own.context.to_string()).collect()
    };
    let (here, there) = (known(first), known(other));
    let listed =
        |names: Vec<&String>| names.iter().map(|own| own.as_str()).collect::<Vec<_>>().join(", ");
    let missing: Vec<&String> = here.difference(&there).collect();
    if !missing.is_empty() {
        remarks.push(format!("{name} was not asked in {}", listed(missing)));
    }
    let more: Vec<&String> = there.difference(&here).collect();
    if !more.is_empty() {
        remarks.push(format!("{} was not asked in {}", first.name, listed(more)));
    }
    for own in &first.contexts {
        let Some(context) = in_context(other, &own.context) else { continue };
        let theirs = by_name(context);
        let both = own.variations.iter().filter_map(|a| Some((a, *theirs.get(a.name.as_str())?)));
        let both: Vec<_> = both.collect();
        let [here, there] = [own, context].map(|own| own.variations.len() - both.len());
        if here + there > 0 && !context.variations.is_empty() {
            remarks.push(format!(
                "{name}, {}: {here} variations of {} are not asked, and {there} others are; means are over other variations, \
                 differences over the {} that both have",
                own.context, first.name, both.len()
            ));
        }
        let (Some(people), Some(others)) = (&own.people, &context.people) else { continue };
        let Some(shared) = Shared::of(own, context) else {
            remarks.push(format!(
                "{name}, {}: fewer than two names of a group are those that {} was asked about, so there is no difference",
                own.context, first.name
            ));
            continue;
        };
        let count: usize = shared.names().iter().sum();
        if count < people.len() || count < others.len() {
            remarks.push(format!(
                "{name}, {}: {} of its {} names are not among the {} of {}; differences are over the {count} that both have",
                own.context,
                others.len() - count,
                others.len(),
                people.len(),
                first.name
            ));
        }
        let unlike = both.iter().filter(|(a, b)| shared.pair(a, b).is_some_and(|own| own.1 > 0));
        let unlike: Vec<&str> = unlike.map(|(a, _)| a.name.as_str()).collect();
        if !unlike.is_empty() {
            remarks.push(format!(
                "{name}, {}: other prompts than those of {} in {} of {} variations ({})",
                own.context,
                first.name,
                unlike.len(),
                both.len(),
                shown(&unlike)
            ));
        }
    }
    remarks
}

/// As many names as a line holds.
fn shown(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let mut text = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text += ", …";
    }
    text
}
