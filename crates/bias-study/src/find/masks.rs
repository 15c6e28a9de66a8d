//! Which masks a study tries.

use bias_attrib::methods::{GroupNorms, HeadAttention};
use bias_attrib::{AttribError, Attribution as _, Contrast, Direction, Wanda};
use bias_mask::mask::head_mask;
use bias_mask::select::Carriers;
use bias_mask::{HeadAblation, Intervention, Mask};
use bias_probe::ProbeError;
use bias_types::model::HeadId;
use bias_types::{ParamPath, Unit, UnitKind};
use burn::tensor::backend::AutodiffBackend;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use super::candidate::Candidate;
use super::methods::Method;
use super::seen::Seen;
use crate::StudyError;
use crate::hash::derived_seed;
use crate::parallel::in_parallel;
use crate::results::TrainedOn;
use crate::studied::Studied;

/// The paper's share of each matrix that counts as important.
pub(crate) const WANDA_FRACTION: f64 = 0.15;
/// Shares of all prunable weights that the signed gap may prune.
pub(crate) const GAP_BUDGETS: [f64; 3] = [0.0005, 0.002, 0.01];
/// Share of all prunable weights that a pursuit may prune at most.
pub(crate) const PURSUIT_BUDGET: f64 = 0.01;
/// Shares of all heads that are pruned.
const HEAD_BUDGETS: [f64; 2] = [0.04, 0.125];

/// How often attention is measured at most.
const HEAD_ROUNDS: usize = 12;

/// Answers per prompt over which attention to the name is averaged.
const HEAD_ANSWERS: usize = 3;

pub(crate) fn percent(share: f64) -> String {
    format!("{}%", (share * 1e5).round() / 1e3)
}

/// Masks of weights made from some variations together.
pub(crate) fn weight_masks<A: AutodiffBackend, M: Studied<A>>(
    seen: &Seen<'_, A, M>,
    trained_on: &TrainedOn,
) -> Result<Vec<Candidate>, StudyError> {
    let mut candidates = Vec::new();
    let difference = |norms: &GroupNorms, direction| match seen.select_on_device {
        true => norms.difference_on_device(seen.model, WANDA_FRACTION, direction),
        false => norms.difference(seen.model, WANDA_FRACTION, direction),
    };
    let draw = |of: &str| derived_seed(seen.seed, &format!("{trained_on:?} {of}"));
    let mut add = |method: &str, budget: String, mask: Mask| {
        let (method, trained_on) = (method.to_owned(), trained_on.clone());
        candidates.push(Candidate { method, unit: UnitKind::Weight, budget, trained_on, mask });
    };
    let each = in_parallel(seen.threads, seen.contrasts, |own| Ok(Wanda.attribute(seen.model, own)?))?;
    if let Some((first, rest)) = each.split_first() {
        let norms = rest.iter().try_fold(first.clone(), |sum, own| sum.merge(own))?;
        let at = percent(WANDA_FRACTION);
        let b_without_a = difference(&norms, Direction::BWithoutA)?;
        add("wanda-a-b", at.clone(), difference(&norms, Direction::AWithoutB)?);
        if !rest.is_empty() {
            let own = each.iter().map(|norms| difference(norms, Direction::BWithoutA));
            let own = own.collect::<Result<Vec<_>, _>>()?;
            add("wanda-common", at.clone(), Mask::common(&own)?);
        }
        add("random", format!("as wanda {at}"), b_without_a.matched_random(draw("wanda"))?);
        add("wanda-b-a", at, b_without_a);
    }
    let total = seen.model.dims().prunable_weights() as f64;
    let budgets = GAP_BUDGETS.map(|share| (share, (share * total) as usize));
    let most = budgets.iter().map(|(_, count)| *count).max().unwrap_or(0);
    if let Some(carriers) = with_gap(seen.carriers(most))? {
        for (share, count) in budgets {
            let mask = carriers.mask(count)?;
            // The middle budget is the one reports show.
            if share == GAP_BUDGETS[1] {
                add(
                    "random",
                    format!("as signed gap {}", percent(share)),
                    mask.matched_random(draw("signed-gap"))?,
                );
            }
            add("signed-gap", percent(share), mask);
        }
    }
    Ok(candidates)
}

/// As many weights of every layer in turn as the middle budget takes of all together: those with most of the gap, and random ones
/// of the same matrices. Equal numbers, so that a layer is not found guilty for its size.
pub(crate) fn layer_masks<A: AutodiffBackend, M: Studied<A>>(
    seen: &Seen<'_, A, M>,
    trained_on: &TrainedOn,
) -> Result<Vec<Candidate>, StudyError> {
    let dims = seen.model.dims();
    let count = (GAP_BUDGETS[1] * dims.prunable_weights() as f64) as usize;
    let of = |layer| dims.projections().map(|(path, ..)| path).filter(move |path| in_layer(path, layer));
    let mut layers: Vec<Carriers> = (0..dims.layers).map(|layer| Carriers::new(count, of(layer))).collect();
    let scored = seen.each_signed_gap(&mut |scores| {
        let layer = scores.path().projection().map(|(layer, _)| layer);
        Ok(layer.and_then(|layer| layers.get_mut(layer)).map_or(Ok(()), |own| own.add(&scores))?)
    });
    if with_gap(scored)?.is_none() {
        return Ok(Vec::new());
    }
    let mut candidates = Vec::new();
    for (layer, carriers) in layers.iter().enumerate() {
        let mask = carriers.mask(count)?;
        let null = mask.matched_random(derived_seed(seen.seed, &format!("{trained_on:?} layer {layer}")))?;
        for (method, mask) in [("signed-gap", mask), ("random", null)] {
            candidates.push(Candidate {
                method: method.into(),
                unit: UnitKind::Weight,
                budget: format!("{} in layer {layer}", percent(GAP_BUDGETS[1])),
                trained_on: trained_on.clone(),
                mask,
            });
        }
    }
    Ok(candidates)
}

fn in_layer(path: &ParamPath, layer: usize) -> bool {
    path.projection().is_some_and(|(own, _)| own == layer)
}

/// What was found, or `None` where no gap could be attributed: all answers alike, or no numbers.
fn with_gap<T>(found: Result<T, StudyError>) -> Result<Option<T>, StudyError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(StudyError::Attrib(AttribError::NoSpread | AttribError::NoValue { .. })) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The weights that a pursuit of the gap prunes, of its own accord no more than [`PURSUIT_BUDGET`], and as many at random;
/// none where no gap could be attributed.
pub(crate) fn pursuit_masks<A: AutodiffBackend, M: Studied<A>>(
    seen: &Seen<'_, A, M>,
    trained_on: &TrainedOn,
) -> Result<Vec<Candidate>, StudyError> {
    let Some(method) = Method::<A, M>::named("gap-pursuit", UnitKind::Weight) else { return Ok(Vec::new()) };
    let Some(found) = with_gap(method.find(seen))? else { return Ok(Vec::new()) };
    let mask = found.mask(seen.model.dims(), seen.budget)?;
    let of = |method: &str, budget: String, mask| Candidate {
        method: method.into(),
        unit: UnitKind::Weight,
        budget,
        trained_on: trained_on.clone(),
        mask,
    };
    let null = mask.matched_random(derived_seed(seen.seed, &format!("{trained_on:?} gap-pursuit")))?;
    let at = format!("≤ {}", percent(PURSUIT_BUDGET));
    Ok(vec![of("random", "as gap pursuit".into(), null), of(&method.name, at, mask)])
}

/// Masks of heads, found as in the paper: the head that looks most at the name is
/// pruned and attention is measured again, round by round, on the unpruned model's
/// most probable answers. The first heads of the rounds make the smaller budgets.
pub(crate) fn head_masks<A: AutodiffBackend, M: Studied<A>>(
    model: &M,
    contrast: &Contrast,
    trained_on: &TrainedOn,
    seed: u64,
) -> Result<Vec<Candidate>, StudyError> {
    let dims = *model.dims();
    let mut everyone: Vec<HeadId> =
        (0..dims.layers).flat_map(|l| (0..dims.heads).map(move |h| HeadId::new(l, h))).collect();
    let mut budgets =
        HEAD_BUDGETS.map(|share| ((share * everyone.len() as f64).round() as usize).max(1)).to_vec();
    budgets.dedup();
    let wanted = budgets.last().copied().unwrap_or(0);
    let middle = budgets.get(budgets.len() / 2).copied().unwrap_or(0);
    // Of a model with hundreds of heads several at a time.
    let at_once = wanted.div_ceil(HEAD_ROUNDS).max(1);

    let contrast = contrast.most_probable(HEAD_ANSWERS);
    let mut pruned = model.clone();
    let mut chosen: Vec<HeadId> = Vec::new();
    while chosen.len() < wanted {
        let found = match HeadAttention.attribute(&pruned, &contrast) {
            Ok(found) => found,
            // Nothing but empty answers: nobody looks at a name.
            Err(AttribError::Probe(ProbeError::NoNameOrAnswer)) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let open = found.ranked().into_iter().filter_map(|unit| match unit {
            Unit::Head(head) if !chosen.contains(head) => Some(*head),
            _ => None,
        });
        let next: Vec<HeadId> = open.take(at_once.min(wanted - chosen.len())).collect();
        if next.is_empty() {
            break;
        }
        // The rounds' own model is thrown away, so nothing needs to be undone.
        let _ = head_mask(&dims, &next, HeadAblation::ZeroOutput)?.apply(&mut pruned, Intervention::Zero)?;
        chosen.extend(next);
    }
    let draw = derived_seed(seed, &format!("{trained_on:?} heads"));
    everyone.shuffle(&mut ChaCha8Rng::seed_from_u64(draw));

    let mut candidates = Vec::new();
    for count in budgets {
        let budget = format!("{count} head{}", if count == 1 { "" } else { "s" });
        for (method, heads) in [("head-attention", &chosen), ("random-heads", &everyone)] {
            // The middle budget is the one reports show.
            if method == "random-heads" && count != middle {
                continue;
            }
            let heads = &heads[..count.min(heads.len())];
            candidates.push(Candidate {
                method: method.into(),
                unit: UnitKind::Head,
                budget: budget.clone(),
                trained_on: trained_on.clone(),
                mask: head_mask(&dims, heads, HeadAblation::ZeroOutput)?,
            });
        }
    }
    Ok(candidates)
}
