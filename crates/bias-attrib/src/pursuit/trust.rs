//! How far a pursuit goes before it measures again: the trust region of a guarded pursuit.

use std::collections::HashMap;

use bias_mask::Mask;
use bias_types::{ModelDims, ParamPath, Unit};

/// The candidates chosen in a round.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub units: Vec<Unit>,
    /// `√λ` of every row in this round.
    pub scales: Vec<f64>,
    /// The objective before the step, by these scales.
    pub before: f64,
    /// Filled only in a trust region: candidate by candidate its index, the price of the step up to
    /// it, and the objective that is expected after it.
    pub taken: Vec<Taken>,
    /// Whether the trust region ended the step.
    pub limited: bool,
}

/// A candidate chosen within a trust region.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    pub candidate: usize,
    pub spent: f64,
    pub left: f64,
}

impl Step {
    pub(super) fn truncate(&mut self, length: usize) {
        self.units.truncate(length);
        self.taken.truncate(length);
    }
}

/// A trust region (Nocedal & Wright 2006, chapter 4): a step may raise the mean log-loss of neutral
/// text by at most the radius, to second order. The radius grows where the last step kept its
/// promise and shrinks where it did not.
#[derive(Debug)]
pub(super) struct Trust {
    /// The predicted second-order rise of neutral log-loss by each candidate, in nats; infinite for
    /// those that may not be chosen.
    prices: Vec<f32>,
    radius: f64,
}

/// Below this share of the promise the radius is divided by [`SHRINK`], above the other it doubles.
const POOR: f64 = 0.25;
const GOOD: f64 = 0.75;
const SHRINK: f64 = 4.0;

impl Trust {
    /// `second` are the second-order costs of every matrix's weights, which `of_candidates` sums up
    /// over the `each` weights that read a candidate. Candidates of which more than half of these
    /// weights are spared may not be chosen.
    pub(super) fn new(
        dims: &ModelDims,
        of_candidates: impl Fn(Vec<f32>) -> Vec<f32>,
        each: usize,
        spared: &Mask,
        second: &HashMap<ParamPath, Vec<f32>>,
        radius: f64,
    ) -> Self {
        let weights = dims.prunable_weights();
        let (mut costs, mut flags) = (Vec::with_capacity(weights), vec![0f32; weights]);
        for (path, _, projection) in dims.projections() {
            let [out, inner] = dims.shape(projection);
            let start = costs.len();
            costs.extend(second.get(&path).into_iter().flatten());
            costs.resize(start + out * inner, 0.0);
            for index in spared.get(&path).into_iter().flat_map(|bits| bits.iter()) {
                if let Some(flag) = flags.get_mut(start + index) {
                    *flag = 1.0;
                }
            }
        }
        let mut prices = of_candidates(costs);
        let flags = of_candidates(flags);
        for (price, flag) in prices.iter_mut().zip(flags) {
            if f64::from(flag) > 0.5 * each as f64 {
                *price = f32::INFINITY;
            }
        }
        Self { prices, radius }
    }

    /// The candidate's price.
    pub(super) fn price(&self, candidate: usize) -> f32 {
        self.prices.get(candidate).copied().unwrap_or(f32::INFINITY)
    }

    /// The price of a step may be this at most.
    pub(super) fn radius(&self) -> f64 {
        self.radius
    }

    /// Whether a step may have this candidate.
    pub(super) fn allows(&self, candidate: usize) -> bool {
        f64::from(self.price(candidate)) <= self.radius
    }

    /// Adds every candidate's price to what it does to a neutral text.
    pub(super) fn charge(&self, effects: &mut [f32]) {
        let finite = |price: f32| if price.is_finite() { price } else { 0.0 };
        effects.iter_mut().zip(&self.prices).for_each(|(own, price)| *own += finite(*price));
    }

    /// Adapts the radius to a step that was kept, after which the objective is `now` by the step's
    /// own scales.
    pub(super) fn judge(&mut self, step: &Step, now: f64) {
        let Some(last) = step.taken.last() else { return };
        let (promised, held) = (step.before - last.left, step.before - now);
        if held < POOR * promised {
            self.radius = self.radius.min(last.spent) / SHRINK;
        } else if held > GOOD * promised && step.limited {
            self.radius *= 2.0;
        }
    }

    /// Cuts a step that was taken back to what a smaller radius would have chosen. If that is
    /// nothing, a single candidate did not keep its promise, and it is not chosen again.
    pub(super) fn shrink(&mut self, step: &mut Step) {
        let Some(last) = step.taken.last().copied() else { return step.truncate(0) };
        self.radius = self.radius.min(last.spent) / SHRINK;
        let within = step.taken.iter().take_while(|own| own.spent <= self.radius).count();
        // Prices may be 0, and then say nothing about how far to go.
        let length = within.min(step.taken.len() / 2);
        if step.taken.len() == 1
            && let Some(price) = self.prices.get_mut(last.candidate)
        {
            *price = f32::INFINITY;
        }
        let length = if step.taken.len() > 1 { length.max(1) } else { 0 };
        step.truncate(length);
        step.limited = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(spent: &[f64], left: &[f64]) -> Step {
        let all = spent.iter().zip(left).enumerate();
        let taken =
            all.map(|(candidate, (spent, left))| Taken { candidate, spent: *spent, left: *left });
        let taken: Vec<Taken> = taken.collect();
        let units = vec![Unit::Layer(0); taken.len()];
        Step { units, before: 1.0, taken, limited: true, ..Step::default() }
    }

    fn trust(radius: f64) -> Trust {
        Trust { prices: vec![0.1; 4], radius }
    }

    #[test]
    fn the_radius_follows_how_well_a_step_kept_its_promise() {
        // It promised a fall from 1 to 0.2.
        let own = step(&[0.1, 0.2], &[0.6, 0.2]);
        for (now, radius) in [(0.25, 0.8), (0.6, 0.4), (0.9, 0.05)] {
            let mut trust = trust(0.4);
            trust.judge(&own, now);
            assert!((trust.radius() - radius).abs() < 1e-12, "{now}: {}", trust.radius());
        }
        // A step that ended by itself says nothing about a larger radius.
        let mut trust = trust(0.4);
        trust.judge(&Step { limited: false, ..own }, 0.2);
        assert!((trust.radius() - 0.4).abs() < 1e-12);
    }

    #[test]
    fn a_step_taken_back_is_cut_and_a_single_candidate_barred() {
        let mut trust = trust(0.4);
        let mut own = step(&[0.05, 0.1, 0.2, 0.4], &[0.8, 0.6, 0.4, 0.2]);
        trust.shrink(&mut own);
        assert_eq!((own.taken.len(), own.units.len()), (2, 2));
        assert!((trust.radius() - 0.1).abs() < 1e-12);
        trust.shrink(&mut own);
        assert_eq!(own.taken.len(), 1, "at least one is tried");
        trust.radius = 1.0;
        assert!(trust.allows(0));
        trust.shrink(&mut own);
        assert!(own.taken.is_empty() && own.units.is_empty());
        assert!(trust.price(0).is_infinite() && trust.price(1).is_finite());
        trust.radius = f64::MAX;
        assert!(!trust.allows(0) && trust.allows(1) && !trust.allows(4));
    }
}
