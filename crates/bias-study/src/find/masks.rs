//! The masks that a study tries.

use bias_attrib::methods::{GroupNorms, HeadAttention};
use bias_attrib::{AttribError, Attribution as _, Contrast, SetDifference, Wanda};
use bias_mask::mask::head_mask;
use bias_mask::select::StreamingTopK;
use bias_mask::{HeadAblation, Intervention, Mask};
use bias_probe::ProbeError;
use bias_probe::in_threads;
use bias_types::model::HeadId;
use bias_types::{ParamPath, Unit, UnitKind};
use burn::tensor::backend::AutodiffBackend;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use super::candidate::Candidate;
use super::method_input::MethodInput;
use super::methods::Method;
use crate::StudyError;
use crate::results::{
    Budget, GAP_SHARE, GAP_SHARES, LeftOut, PURSUIT_SHARE, TrainedOn, WANDA_SHARE, method,
};
use crate::seed::derived_seed;
use crate::studied::Studied;

/// The shares of all heads to prune.
const HEAD_BUDGETS: [f64; 2] = [0.04, 0.125];

/// The most measurements of attention.
const HEAD_ROUNDS: usize = 12;

/// The number of answers per prompt over which attention to the name is averaged.
const HEAD_ANSWERS: usize = 3;

/// The masks of weights made from some variations together.
pub(crate) fn weight_masks<A: AutodiffBackend, M: Studied<A>>(
    input: &MethodInput<'_, A, M>,
    trained_on: &TrainedOn,
) -> Result<Masks, StudyError> {
    let mut masks = Masks::default();
    let difference = |norms: &GroupNorms, direction| match input.select_on_device {
        true => norms.difference_on_device(input.model, WANDA_SHARE.value(), direction),
        false => norms.difference(input.model, WANDA_SHARE.value(), direction),
    };
    let draw = |of: &str| derived_seed(input.seed, &format!("{} {of}", trained_on.seed_text()));
    let of = |method: &str, budget: Budget, mask: Mask| Candidate {
        method: method.into(),
        unit: UnitKind::Weight,
        budget,
        trained_on: trained_on.clone(),
        null_of: None,
        mask,
    };
    let each = in_threads(
        input.threads,
        |_| (),
        input.contrasts,
        |(), own| Wanda.attribute(input.model, own),
    )?;
    if let Some((first, rest)) = each.split_first() {
        let norms = rest.iter().try_fold(first.clone(), |sum, own| sum.merge(own))?;
        let at = Budget::Share(WANDA_SHARE);
        let b_without_a = difference(&norms, SetDifference::BWithoutA)?;
        let a_without_b = difference(&norms, SetDifference::AWithoutB)?;
        masks.candidates.push(of(method::WANDA_A_B, at.clone(), a_without_b));
        if !rest.is_empty() {
            let own = each.iter().map(|norms| difference(norms, SetDifference::BWithoutA));
            let own = own.collect::<Result<Vec<_>, _>>()?;
            masks.candidates.push(of(method::WANDA_COMMON, at.clone(), Mask::common(&own)?));
        }
        let drawn = b_without_a.matched_random(draw("wanda"))?;
        let own = of(method::WANDA_B_A, at, b_without_a);
        masks.candidates.push(own.null(method::RANDOM, Budget::like("wanda", WANDA_SHARE), drawn));
        masks.candidates.push(own);
    }
    let total = input.model.dims().prunable_weights() as f64;
    let budgets = GAP_SHARES.map(|share| (share, (share.value() * total) as usize));
    let most = budgets.iter().map(|(_, count)| *count).max().unwrap_or(0);
    if let Some(top) =
        masks.with_gap(method::SIGNED_GAP, trained_on, input.streaming_top_k(most))?
    {
        for (share, count) in budgets {
            let own = of(method::SIGNED_GAP, Budget::Share(share), top.mask(count)?);
            // The middle budget is the one reports show.
            if share == GAP_SHARE {
                let drawn = own.mask.matched_random(draw("signed-gap"))?;
                masks.candidates.push(own.null(
                    method::RANDOM,
                    Budget::like("signed gap", share),
                    drawn,
                ));
            }
            masks.candidates.push(own);
        }
    }
    Ok(masks)
}

/// For each layer in turn, as many weights as the middle budget takes in the whole model: the
/// weights with most of the gap, and random ones of the same matrices. The numbers are equal, so
/// that the size of a layer does not matter.
pub(crate) fn layer_masks<A: AutodiffBackend, M: Studied<A>>(
    input: &MethodInput<'_, A, M>,
    trained_on: &TrainedOn,
) -> Result<Masks, StudyError> {
    let dims = input.model.dims();
    let count = (GAP_SHARE.value() * dims.prunable_weights() as f64) as usize;
    let of =
        |layer| dims.projections().map(|(path, ..)| path).filter(move |path| in_layer(path, layer));
    let mut layers: Vec<StreamingTopK> =
        (0..dims.layers).map(|layer| StreamingTopK::new(count, of(layer))).collect();
    let scored = input.each_signed_gap(&mut |scores| {
        let layer = scores.path().projection().map(|(layer, _)| layer);
        Ok(layer.and_then(|layer| layers.get_mut(layer)).map_or(Ok(()), |own| own.add(&scores))?)
    });
    let mut masks = Masks::default();
    if masks.with_gap(method::SIGNED_GAP, trained_on, scored)?.is_none() {
        return Ok(masks);
    }
    for (layer, top) in layers.iter().enumerate() {
        let mask = top.mask(count)?;
        let draw = derived_seed(input.seed, &format!("{} layer {layer}", trained_on.seed_text()));
        let drawn = mask.matched_random(draw)?;
        let own = Candidate {
            method: method::SIGNED_GAP.into(),
            unit: UnitKind::Weight,
            budget: Budget::InLayer(GAP_SHARE, layer),
            trained_on: trained_on.clone(),
            null_of: None,
            mask,
        };
        let null = own.null(method::RANDOM, own.budget.clone(), drawn);
        masks.candidates.extend([own, null]);
    }
    Ok(masks)
}

fn in_layer(path: &ParamPath, layer: usize) -> bool {
    path.projection().is_some_and(|(own, _)| own == layer)
}

/// Every mask of a job, and the methods that found nothing to attribute.
#[derive(Debug, Default)]
pub(crate) struct Masks {
    pub candidates: Vec<Candidate>,
    pub left_out: Vec<LeftOut>,
}

/// Whether the reason why a method found nothing is one for a row that says so: no gap could be
/// attributed (all answers alike, or no numbers), or the method needs a model in memory and this one
/// stays in its file.
pub(crate) fn is_left_out(reason: &AttribError) -> bool {
    reason.is_without_gap() || matches!(reason, AttribError::Streamed { .. })
}

/// Whether the same may go well another time: what could not be read now must not be kept as a
/// finding about the method.
pub(crate) fn may_pass(reason: &AttribError) -> bool {
    use bias_probe::ProbeError;

    matches!(
        reason,
        AttribError::Io { .. }
            | AttribError::Readback { .. }
            | AttribError::Outside { .. }
            | AttribError::Probe(
                ProbeError::Weights { .. }
                    | ProbeError::Fingerprint { .. }
                    | ProbeError::Readback { .. }
                    | ProbeError::Write { .. }
                    | ProbeError::Outside { .. }
            )
    )
}

impl Masks {
    /// The result, or `None` if the method is [left out](is_left_out), which is recorded.
    fn with_gap<T>(
        &mut self,
        method: &str,
        trained_on: &TrainedOn,
        found: Result<T, StudyError>,
    ) -> Result<Option<T>, StudyError> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(StudyError::Attrib(reason)) if is_left_out(&reason) => {
                self.leave_out(method, UnitKind::Weight, trained_on, &reason.to_string());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn leave_out(&mut self, method: &str, unit: UnitKind, trained_on: &TrainedOn, reason: &str) {
        let (method, trained_on, reason) = (method.into(), trained_on.clone(), reason.into());
        self.left_out.push(LeftOut { method, unit, trained_on, reason });
    }
}

/// The weights that a pursuit of the gap prunes, at most [`PURSUIT_SHARE`] of all, and the same
/// number at random. None if no gap could be attributed.
pub(crate) fn pursuit_masks<A: AutodiffBackend, M: Studied<A>>(
    input: &MethodInput<'_, A, M>,
    trained_on: &TrainedOn,
) -> Result<Masks, StudyError> {
    let Some(pursuit) = Method::<A, M>::named(method::GAP_PURSUIT, UnitKind::Weight) else {
        return Ok(Masks::default());
    };
    let mut masks = Masks::default();
    let Some(found) = masks.with_gap(method::GAP_PURSUIT, trained_on, pursuit.find(input))? else {
        return Ok(masks);
    };
    let mask = found.mask(input.model.dims(), input.budget)?;
    let draw = derived_seed(input.seed, &format!("{} gap-pursuit", trained_on.seed_text()));
    let drawn = mask.matched_random(draw)?;
    let own = Candidate {
        method: pursuit.name,
        unit: UnitKind::Weight,
        budget: Budget::AtMost(PURSUIT_SHARE),
        trained_on: trained_on.clone(),
        null_of: None,
        mask,
    };
    masks
        .candidates
        .extend([own.null(method::RANDOM, Budget::like("gap pursuit", None), drawn), own]);
    Ok(masks)
}

/// Masks of heads, found as in the paper. In each round the head that attends most to the name is
/// pruned, and attention is measured again, on the unpruned model's most probable answers. The
/// first heads of the rounds make the smaller budgets.
pub(crate) fn head_masks<A: AutodiffBackend, M: Studied<A>>(
    model: &M,
    contrast: &Contrast,
    trained_on: &TrainedOn,
    seed: u64,
) -> Result<Masks, StudyError> {
    let dims = *model.dims();
    let mut everyone: Vec<HeadId> =
        (0..dims.layers).flat_map(|l| (0..dims.heads).map(move |h| HeadId::new(l, h))).collect();
    let mut budgets = HEAD_BUDGETS
        .map(|share| ((share * everyone.len() as f64).round() as usize).max(1))
        .to_vec();
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
            Err(AttribError::Probe(reason @ ProbeError::NoNameOrAnswer)) => {
                let mut masks = Masks::default();
                masks.leave_out(
                    method::HEAD_ATTENTION,
                    UnitKind::Head,
                    trained_on,
                    &reason.to_string(),
                );
                return Ok(masks);
            }
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
        let _ = head_mask(&dims, &next, HeadAblation::ZeroOutput)?
            .apply(&mut pruned, Intervention::Zero)?;
        chosen.extend(next);
    }
    let draw = derived_seed(seed, &format!("{} heads", trained_on.seed_text()));
    everyone.shuffle(&mut ChaCha8Rng::seed_from_u64(draw));

    let mut masks = Masks::default();
    for count in budgets {
        let mask = |heads: &[HeadId]| {
            head_mask(&dims, &heads[..count.min(heads.len())], HeadAblation::ZeroOutput)
        };
        let own = Candidate {
            method: method::HEAD_ATTENTION.into(),
            unit: UnitKind::Head,
            budget: Budget::Heads(count),
            trained_on: trained_on.clone(),
            null_of: None,
            mask: mask(&chosen)?,
        };
        // The middle budget is the one reports show.
        let null = match count == middle {
            true => Some(own.null(method::RANDOM_HEADS, own.budget.clone(), mask(&everyone)?)),
            false => None,
        };
        masks.candidates.extend([own].into_iter().chain(null));
    }
    Ok(masks)
}
