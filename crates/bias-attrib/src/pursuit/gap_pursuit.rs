use std::collections::HashMap;

use bias_mask::edit::Undo;
use bias_mask::{HeadAblation, Intervention, Mask, MaskTarget, unit_mask};
use bias_probe::{HookedModel, Sequence};
use bias_types::{ModelDims, ParamPath, Unit, UnitKind};
use burn::tensor::backend::{AutodiffBackend, Backend};

use super::candidates::{Candidates, Rows};
use super::effects::{Aim, Watched};
use super::found::{Pursuit, Round};
use super::trust::{Step, Trust};
use super::turns::Visit;
use crate::contrast::prompt_case::Contrast;
use crate::engine::likelihood::checked_temperature;
use crate::error::AttribError;
use crate::guard::neutral_cost::each_observed;
use crate::guard::{Cost, Guard, MeasuredGuard};
use crate::methods::attribution::Attribution;

/// Finds weights or units that together close the gap. It chooses a few at a time and measures the
/// model again after each few.
///
/// It iterates the signed gap. [`SignedGap`](crate::SignedGap) scores once, for one contrast, and
/// ignores what else a weight does. Here every group of every contrast has its standardized
/// expected answer `E/s`, which should end at the middle `m` of both groups' first values. Neutral
/// text has its mean log-loss, which should not rise. To first order, pruning a weight moves each
/// of these numbers by `v = −W · ∂/∂W`. Closing all gaps without moving the level of answers or
/// spoiling anything else is then one least-squares problem,
///
/// `J(S) = Σ_r λ_r (t_r − Σ_{j∈S} v_rj)²`,
///
/// over the pruned set `S`, where `t` is the residual. It is solved by matching pursuit (Mallat &
/// Zhang 1993), which chooses one weight after another, each time the one that lowers `J` most
/// given those before it. Once `√J` should have fallen by the share [`with_step`](Self::with_step),
/// the weights are pruned and everything is measured and differentiated again. Overshooting raises
/// `J`, so it is never chosen on purpose. If the measured `J` is not lower after a round, the
/// second half of the round is taken back, a few times.
///
/// To measure again, each answer given is reweighted by how much more or less probable it has
/// become. This is exact on the answers explored and needs no decoding. [`Round::explored`] says
/// how much of the distribution these answers still cover.
///
/// Contrasts without a gap to close (all answers alike, no numbers, one possible answer each) are
/// left out and [listed](Pursuit::left_out). If sampling truncates the distribution (top-k, top-p),
/// the tokens kept are taken as given, as in `SignedGap`.
///
/// Each round considers the weights that help most by themselves: eight for each that may be
/// chosen, at least 4,096 and at most 131,072.
///
/// It needs two f32 per contrast and weight, and four per weight for neutral text, as long as
/// [`with_memory`](Self::with_memory) allows it. Beyond that limit every round differentiates
/// twice, and every weight takes four bytes, and twelve more for each thread, whatever the number
/// of contrasts, names and answers. No more threads run than fit.
///
/// On models with very large activations, the effect of a weight that reads them is not what its
/// gradient says. Every round is then taken back until nothing is left of it.
/// [`with_guard`](Self::with_guard) keeps such weights out and bounds each step by a trust region.
#[derive(Debug, Clone, Copy)]
pub struct GapPursuit {
    temperature: f64,
    unit: UnitKind,
    budget: usize,
    step: f64,
    tolerance: f64,
    rounds: usize,
    neutral: f64,
    worst: f64,
    explored: f64,
    guard: Option<Guard>,
    radius: f64,
    memory: usize,
    threads: usize,
}

/// Runs with one contrast and without neutral text, on a copy of the model and on one thread. For
/// several contrasts, or with neutral text, call [`pursue`](GapPursuit::pursue).
impl<A, M> Attribution<A, M> for GapPursuit
where
    A: AutodiffBackend,
    M: HookedModel<A> + MaskTarget<A> + Clone + Send + Sync,
{
    type Found = Pursuit;

    fn name(&self) -> &'static str {
        "gap-pursuit"
    }

    fn attribute(&self, model: &M, contrast: &Contrast) -> Result<Pursuit, AttribError> {
        // A weight that was set may be tracked, and threads that share it would wait for each
        // other's graphs.
        let alone = Self { threads: 1, ..*self };
        // The copy is dropped, so nothing needs to be undone.
        let (mut copy, mut undo) = (model.clone(), Vec::new());
        alone.run::<A, A, M, M>(
            &mut copy,
            &M::clone,
            std::slice::from_ref(contrast),
            &[],
            &mut undo,
        )
    }
}

/// Prunes further units. Returns whether anything was pruned.
fn prune<B: Backend>(
    model: &mut impl MaskTarget<B>,
    dims: &ModelDims,
    mask: &mut Mask,
    units: &[Unit],
    undo: &mut Vec<Undo>,
) -> Result<bool, AttribError> {
    let batch = unit_mask(dims, units, HeadAblation::ZeroOutput)?.difference(mask)?;
    if batch.count() == 0 {
        return Ok(false);
    }
    undo.push(batch.apply(model, Intervention::Zero)?);
    *mask = mask.union(&batch)?;
    Ok(true)
}

/// A round that leaves more than this share of the objective is the last: closing the rest is not
/// worth the price.
const HARDLY_LOWER: f64 = 0.9;

/// Memory of a thread while it differentiates, in copies of the weights: a gradient, a row that
/// waits for its turn, a pass.
const COPIES: usize = 3;

/// How often half of the chosen units are tried instead.
const HALVINGS: usize = 4;

/// The same of a guarded pursuit, whose steps are cut by the trust region.
const CUTS: usize = 8;

/// A guarded round that the trust region ended is the last if it leaves more than this share of the
/// objective.
const STUCK: f64 = 0.995;

/// The first radius of the trust region, in nats: about a hundredth of the perplexity.
const RADIUS: f64 = 0.01;

impl GapPursuit {
    /// Prunes at most `budget` single weights, at temperature 1. Of larger units it prunes as many
    /// as fit, and at least one unless the budget is 0.
    #[must_use]
    pub fn new(budget: usize) -> Self {
        Self {
            temperature: 1.0,
            unit: UnitKind::Weight,
            budget,
            step: 0.75,
            tolerance: 0.02,
            rounds: 12,
            neutral: 100.0,
            worst: 0.0,
            explored: 0.9,
            guard: None,
            radius: RADIUS,
            memory: 2 << 30,
            threads: 1,
        }
    }

    /// The temperature the answers' probabilities were taken at.
    ///
    /// # Errors
    /// [`AttribError::Temperature`] unless positive and finite.
    pub fn with_temperature(self, temperature: f64) -> Result<Self, AttribError> {
        Ok(Self { temperature: checked_temperature(temperature)?, ..self })
    }

    /// Prunes whole units of this kind.
    #[must_use]
    pub fn with_unit(self, unit: UnitKind) -> Self {
        Self { unit, ..self }
    }

    /// The share of the residual that one round may close, to first order. A larger share is faster
    /// and less exact.
    ///
    /// # Errors
    /// [`AttribError::Share`] outside (0, 1].
    pub fn with_step(self, step: f64) -> Result<Self, AttribError> {
        if step > 0.0 && step <= 1.0 {
            Ok(Self { step, ..self })
        } else {
            Err(AttribError::Share { share: step })
        }
    }

    /// Stops once no contrast's gap is larger than this, in pooled deviations.
    #[must_use]
    pub fn with_tolerance(self, tolerance: f64) -> Self {
        Self { tolerance: tolerance.max(0.0), ..self }
    }

    /// The largest number of rounds. The pursuit also stops once a round lowers the objective by
    /// less than a tenth.
    #[must_use]
    pub fn with_rounds(self, rounds: usize) -> Self {
        Self { rounds, ..self }
    }

    /// The weight of one nat of neutral log-loss, squared, relative to one pooled deviation of a
    /// gap, squared.
    #[must_use]
    pub fn with_neutral_weight(self, weight: f64) -> Self {
        Self { neutral: weight.max(0.0), ..self }
    }

    /// Weights every contrast by its gap to this power: 0 for the mean over contrasts, larger
    /// powers for the worst contrast.
    #[must_use]
    pub fn with_worst_case(self, power: f64) -> Self {
        Self { worst: power.max(0.0), ..self }
    }

    /// Takes back a round that leaves the answers explored with less than this share of their first
    /// weight, because the model's answers are then not known. 0 allows anything.
    ///
    /// # Errors
    /// [`AttribError::Share`] outside [0, 1].
    pub fn with_least_explored(self, share: f64) -> Result<Self, AttribError> {
        if (0.0..=1.0).contains(&share) {
            Ok(Self { explored: share, ..self })
        } else {
            Err(AttribError::Share { share })
        }
    }

    /// Keeps weights that neutral text needs out, and bounds each step by a trust region.
    ///
    /// - Units are not chosen if more than half of the weights that read them are
    ///   [left out](MeasuredGuard::spared) by the guard. It is measured once, on the unpruned model.
    ///   What a guard discounts plays no role, because the objective weighs neutral text itself.
    /// - Pruning a unit is expected to raise the mean log-loss of neutral text also by its
    ///   second-order cost ([`Cost::SecondOrder`], summed over the weights that read it).
    /// - A round ends once these second-order costs reach the
    ///   [radius](Self::with_trust_region). After a round that lowered the objective by less than a
    ///   quarter of what was promised, the radius shrinks; after one that kept three quarters of
    ///   the promise, it doubles. A round that is taken back is tried again with a quarter of its
    ///   costs, and a single unit that raises the objective is not chosen again.
    ///
    /// Neutral text is then needed ([`AttribError::NoNeutral`]). It takes four more bytes for each
    /// unit that may be chosen.
    #[must_use]
    pub fn with_guard(self, guard: Guard) -> Self {
        Self { guard: Some(guard), ..self }
    }

    /// The first radius of a [guarded](Self::with_guard) pursuit's trust region, in nats of neutral
    /// log-loss; 0.01 by default.
    ///
    /// # Errors
    /// [`AttribError::Radius`] unless finite and above 0.
    pub fn with_trust_region(self, nats: f64) -> Result<Self, AttribError> {
        if nats.is_finite() && nats > 0.0 {
            Ok(Self { radius: nats, ..self })
        } else {
            Err(AttribError::Radius { nats })
        }
    }

    /// Memory in bytes for the effects of weights, 2 GiB by default. If they do not fit, the result
    /// is the same, but it takes more than twice the time.
    #[must_use]
    pub fn with_memory(self, bytes: usize) -> Self {
        Self { memory: bytes, ..self }
    }

    /// Number of groups that run side by side, as far as [memory](Self::with_memory) allows.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        Self { threads: threads.max(1), ..self }
    }

    /// Runs on a model, which is afterwards what it was before. `differentiable` makes a handle on
    /// its present weights with its own graph; each thread takes one. The answers must be the
    /// model's own.
    ///
    /// # Errors
    /// Nothing to compare ([`AttribError::EmptyArm`], [`AttribError::NoValue`],
    /// [`AttribError::NoSpread`], [`AttribError::Unvarying`]), a neutral text of one token
    /// ([`AttribError::ShortNeutral`]), a failed pass, a model that cannot be pruned.
    pub fn pursue<A, P, D>(
        &self,
        model: &mut P,
        differentiable: impl Fn(&P) -> D + Sync,
        contrasts: &[Contrast],
        neutral: &[Sequence],
    ) -> Result<Pursuit, AttribError>
    where
        A: AutodiffBackend,
        P: MaskTarget<A::InnerBackend> + Sync,
        D: HookedModel<A> + Send,
    {
        let mut undo: Vec<Undo> = Vec::new();
        let found = self.run::<A, A::InnerBackend, P, D>(
            model,
            &differentiable,
            contrasts,
            neutral,
            &mut undo,
        );
        let mut reverted = Ok(());
        while let Some(last) = undo.pop() {
            reverted = reverted.and(last.revert(model));
        }
        let found = found?;
        reverted?;
        Ok(found)
    }

    /// `T` is the backend that weights are pruned on.
    fn run<A, T, P, D>(
        &self,
        model: &mut P,
        differentiable: &(impl Fn(&P) -> D + Sync),
        contrasts: &[Contrast],
        neutral: &[Sequence],
        undo: &mut Vec<Undo>,
    ) -> Result<Pursuit, AttribError>
    where
        A: AutodiffBackend,
        T: Backend,
        P: MaskTarget<T> + Sync,
        D: HookedModel<A> + Send,
    {
        let tracked = differentiable(model);
        if tracked.is_streamed() {
            return Err(AttribError::Streamed { method: "gap-pursuit" });
        }
        let dims = *tracked.dims();
        let mut aim = Aim::new(contrasts, neutral, self.temperature)?;
        let candidates = Candidates::new(&dims, self.unit, aim.arms());
        let mut trust = self.trust::<A, D>(&tracked, neutral, &candidates)?;
        drop(tracked);
        let most = (self.budget / candidates.weights_each()?).max(1);
        let fits = aim.rows() * candidates.count() * size_of::<f32>() <= self.memory;
        let threads = self
            .threads
            .min(self.memory / (COPIES * dims.prunable_weights() * size_of::<f32>()))
            .max(1);
        let mut mask = Mask::default();
        let mut order: Vec<Unit> = Vec::new();
        // What was pruned last and is not measured yet.
        let mut last = Step::default();
        let mut lowest = f64::INFINITY;
        let mut rounds: Vec<Round> = Vec::new();
        // Whether this is a state that was kept before.
        let mut again = false;
        loop {
            let mut held: Vec<Vec<f32>> = Vec::new();
            let mut hold = |_, effect| held.push(candidates.unit_effects(effect));
            let visit: Option<&mut Visit<'_>> = if fits { Some(&mut hold) } else { None };
            let watched = aim.measure::<A, D>(|| differentiable(model), threads, visit)?;
            let mut round = self.round(&aim, &watched, mask.count());
            // The unpruned model's answers are all known, even if rounding changes their sum.
            let known = mask.count() == 0 || round.explored >= self.explored;
            round.kept = again || (round.objective < lowest && known);
            let (kept, objective) = (round.kept, round.objective);
            let hardly = if trust.is_some() && last.limited { STUCK } else { HARDLY_LOWER };
            let closed = round.worst() <= self.tolerance || (!again && objective > hardly * lowest);
            if !again {
                rounds.push(round);
            }
            let spent = rounds.len() > self.rounds;
            if !kept {
                // A smaller step would have chosen a part of them.
                if let Some(undo) = undo.pop() {
                    undo.revert(model)?;
                }
                match &mut trust {
                    Some(trust) => trust.shrink(&mut last),
                    None => last.truncate(last.units.len() / 2),
                }
                mask = unit_mask(&dims, &order, HeadAblation::ZeroOutput)?;
                let refused = rounds.iter().rev().take_while(|round| !round.kept).count();
                let tries = if trust.is_some() { CUTS } else { HALVINGS };
                if spent || refused > tries {
                    break;
                }
                again = trust.is_some() && last.units.is_empty();
                if !again && !prune(model, &dims, &mut mask, &last.units, undo)? {
                    break;
                }
                continue;
            }
            if let (Some(trust), false) = (&mut trust, again) {
                trust.judge(&last, aim.cost(&watched, &last.scales));
            }
            again = false;
            lowest = objective;
            order.append(&mut last.units);
            if spent || closed || mask.count() >= self.budget {
                break;
            }
            let scales = self.scales(&aim, &watched);
            let missing = aim.missing(&watched).into_iter().zip(&scales);
            let missing = missing.map(|(t, scale)| (t * scale) as f32).collect();
            let (arms, charged) = (aim.arms(), trust.as_ref());
            let scaled = |r: usize, own: &mut [f32]| {
                if let Some(trust) = charged.filter(|_| r >= arms) {
                    trust.charge(own);
                }
                own.iter_mut().for_each(|v| *v = (f64::from(*v) * scales[r]) as f32);
            };
            held.iter_mut().enumerate().for_each(|(r, own)| scaled(r, own));
            let before = aim.cost(&watched, &scales);
            let mut anew = |visit: &mut (dyn FnMut(usize, &[f32]) + Send)| {
                let mut hand_on = |r, effect| {
                    let mut own = candidates.unit_effects(effect);
                    scaled(r, &mut own);
                    visit(r, &own);
                };
                aim.measure::<A, D>(|| differentiable(model), threads, Some(&mut hand_on))
                    .map(|_| ())
            };
            let left = most.saturating_sub(order.len());
            let rows = if fits { Rows::Held(&held) } else { Rows::Anew(&mut anew) };
            let step = candidates.pursue(missing, rows, 1.0 - self.step, left, charged)?;
            last = Step { scales, before, ..step };
            if !prune(model, &dims, &mut mask, &last.units, undo)? {
                break;
            }
        }
        Ok(Pursuit { chosen: order, rounds, left_out: aim.left_out })
    }

    /// The trust region of a guarded pursuit.
    fn trust<A: AutodiffBackend, D: HookedModel<A>>(
        &self,
        model: &D,
        neutral: &[Sequence],
        candidates: &Candidates,
    ) -> Result<Option<Trust>, AttribError> {
        let Some(guard) = self.guard else { return Ok(None) };
        let mut second: HashMap<ParamPath, Vec<f32>> = HashMap::new();
        let measured = MeasuredGuard::new(guard, model.dims(), |take| {
            each_observed::<A, D>(model, neutral, &mut |own| {
                second.insert(own.path().clone(), own.of(Cost::SecondOrder).to_vec());
                take(own)
            })
        })?;
        Ok(Some(Trust::new(
            model.dims(),
            |effect| candidates.unit_effects(effect),
            candidates.readers_each(),
            measured.spared(),
            &second,
            self.radius,
        )))
    }

    /// `√λ` of every row. Contrasts are weighted by a power of their gap.
    fn scales(&self, aim: &Aim<'_>, watched: &[Watched]) -> Vec<f64> {
        let own: Vec<f64> = aim.gaps(watched).iter().map(|g| g.abs().powf(self.worst)).collect();
        let sum: f64 = own.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let arms = own.iter().flat_map(|w| [w / sum; 2]);
        let neutral = watched.len() - 2 * own.len();
        let all = arms.chain(std::iter::repeat_n(self.neutral / neutral.max(1) as f64, neutral));
        all.map(f64::sqrt).collect()
    }

    fn round(&self, aim: &Aim<'_>, watched: &[Watched], count: usize) -> Round {
        let (missing, arms) = (aim.missing(watched), aim.arms());
        let (gaps, texts) = missing.split_at(arms);
        // The worst case's weights change from round to round, so it is judged by a higher power of
        // the residual.
        let gaps: f64 = gaps.iter().map(|t| t.abs().powf(2.0 + self.worst)).sum();
        let texts_each = self.neutral / texts.len().max(1) as f64;
        let texts: f64 = texts.iter().map(|t| texts_each * t.min(0.0).powi(2)).sum();
        Round {
            weights: count,
            gaps: aim.gaps(watched),
            levels: aim.levels(watched),
            neutral: aim.neutral_rise(watched),
            explored: watched.iter().map(|e| e.explored).fold(f64::INFINITY, f64::min),
            objective: 2.0 * gaps / arms as f64 + texts,
            kept: true,
        }
    }
}
