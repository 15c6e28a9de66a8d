use std::time::Instant;

use bias_ask::Tokenize;
use bias_attrib::{AttribError, Contrast};
use bias_mask::{HeadAblation, Mask, MaskError, unit_mask};
use bias_metrics::MetricError;
use bias_metrics::ranking::{Localisation, localisation};
use bias_probe::Weights;
use bias_types::model::Sublayer;
use bias_types::prompt::Context;
use bias_types::{Convention, Unit, UnitKind};
use burn::tensor::backend::AutodiffBackend;

use super::progress::Progress;
use super::study::Study;
use crate::StudyError;
use crate::find::{Candidate, Finding, Method, Truth};
use crate::results::{
    Benchmark, Budget, LeftOut, Located, MATCHED, ORACLE, Scope, Share, TrainedOn, Tried, method,
};
use crate::seed::derived_seed;
use crate::studied::Studied;

/// A method, its result or the reason why it has none, and the seconds it took.
type Look<'m, A, M> = (&'m Method<A, M>, Result<Finding, String>, f64);

impl<A: AutodiffBackend, M: Studied<A>, T: Tokenize + Sync> Study<'_, A, M, T> {
    /// Tries every method at every budget (shares of all prunable weights), attributed on each
    /// context in turn; the methods in `all_but` on all contexts but each. If the truth is known,
    /// methods are measured against it.
    ///
    /// # Errors
    /// As [`test`](Self::test), a budget outside [0, 1]. Methods that find nothing to attribute in
    /// a context are left out, with their reason.
    pub fn benchmark(
        &mut self,
        methods: &[Method<A, M>],
        all_but: &[Method<A, M>],
        budgets: &[f64],
        truth: Option<&Truth>,
    ) -> Result<Benchmark, StudyError> {
        if let Some(&share) = budgets.iter().find(|share| !(0.0..=1.0).contains(*share)) {
            return Err(AttribError::Share { share }.into());
        }
        let started = Instant::now();
        if let Some(truth) = truth {
            truth.check(self.model().model())?;
        }
        let baseline = self.audit()?;
        let contexts: Vec<Context> = baseline.iter().map(|b| b.context.clone()).collect();
        let contrasts =
            (0..contexts.len()).map(|c| self.known_contrasts(c)).collect::<Result<Vec<_>, _>>()?;
        let progress =
            Progress::new("benchmark", "steps", contexts.len() * (methods.len() + all_but.len()));
        let (mut located, mut tried, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
        for (c, context) in contexts.iter().enumerate() {
            let planted = truth.map(|truth| self.planted(&truth.of(context))).transpose()?;
            if let (Some(truth), Some(planted)) = (truth, &planted) {
                let budgets = [Budget::Planted, Budget::OfAllContexts];
                let known = budgets.into_iter().zip([truth.of(context), truth.all()]);
                for (budget, units) in known.filter(|(_, units)| !units.is_empty()) {
                    let mask = self.planted(&units)?;
                    let own = Candidate {
                        method: ORACLE.into(),
                        unit: UnitKind::Neuron,
                        budget,
                        trained_on: TrainedOn::Context(context.clone()),
                        null_of: None,
                        mask,
                    };
                    tried.push(self.try_one(&own, 1.0, 0.0, Some(planted))?);
                }
            }
            let others: Vec<Contrast> = contrasts
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != c)
                .flat_map(|(_, own)| own.clone())
                .collect();
            let looks = [
                (TrainedOn::Context(context.clone()), methods, &contrasts[c]),
                (
                    TrainedOn::AllBut(context.clone()),
                    if contexts.len() > 2 { all_but } else { &[] },
                    &others,
                ),
            ];
            for (trained_on, methods, contrasts) in looks {
                for (method, found, seconds) in self.found(methods, contrasts, budgets)? {
                    progress.done(1);
                    let finding = match found {
                        Ok(finding) => finding,
                        Err(reason) => {
                            let (method, unit) = (method.name.clone(), method.unit);
                            left_out.push(LeftOut {
                                method,
                                unit,
                                trained_on: trained_on.clone(),
                                reason,
                            });
                            continue;
                        }
                    };
                    if let (Some(truth), TrainedOn::Context(_)) = (truth, &trained_on)
                        && let Some(found) = self.locate(&finding, &truth.of(context))?
                    {
                        let (method, unit) = (method.name.clone(), method.unit);
                        located.push(Located { method, unit, context: context.clone(), found });
                    }
                    let masks = self.masks(method, &finding, &trained_on, budgets)?;
                    for (candidate, allowed) in masks {
                        tried.push(self.try_one(&candidate, allowed, seconds, planted.as_ref())?);
                    }
                }
            }
        }
        progress.finish();
        Ok(Benchmark {
            format: Benchmark::FORMAT.into(),
            model: self.provenance().model.name.clone(),
            fingerprint: self.provenance().model.fingerprint.clone(),
            shared_fraction: truth.map(|t| t.shared_fraction),
            baseline,
            located,
            tried,
            left_out,
            seconds: started.elapsed().as_secs_f64(),
        })
    }

    /// Every method's result or the reason why it has none, and the seconds it took.
    fn found<'m>(
        &self,
        methods: &'m [Method<A, M>],
        contrasts: &[Contrast],
        budgets: &[f64],
    ) -> Result<Vec<Look<'m, A, M>>, StudyError> {
        let most = budgets.iter().copied().fold(0.0, f64::max);
        let input = self.method_input(contrasts, self.weights(most));
        let of = |method: &'m Method<A, M>| {
            let (found, took) = method.timed(&input);
            let found = match found {
                Ok(found) => Ok(found),
                // A method that cannot look at this (unpaired groups, no gap) must not cost the
                // others' work.
                Err(StudyError::Attrib(reason)) => Err(reason.to_string()),
                Err(error) => return Err(error),
            };
            Ok((method, found, took.as_secs_f64()))
        };
        methods.iter().map(of).collect()
    }

    /// The masks of all budgets, each with its allowed share (one that was tested before costs
    /// nothing). For methods that choose single weights, a random mask with as many weights in
    /// every matrix goes with the middle one.
    fn masks(
        &self,
        method: &Method<A, M>,
        finding: &Finding,
        trained_on: &TrainedOn,
        budgets: &[f64],
    ) -> Result<Vec<(Candidate, f64)>, StudyError> {
        let dims = *self.model().model().dims();
        let mut masks: Vec<(Candidate, f64)> = Vec::new();
        for (i, &share) in budgets.iter().enumerate() {
            let own = Candidate {
                method: method.name.clone(),
                unit: method.unit,
                budget: Budget::share(share),
                trained_on: trained_on.clone(),
                null_of: None,
                mask: finding.mask(&dims, self.weights(share))?,
            };
            let own_context = matches!(trained_on, TrainedOn::Context(_));
            let chosen =
                method.unit == UnitKind::Weight && method.name != method::RANDOM && own_context;
            // What chose nothing has no null.
            if i == budgets.len() / 2 && chosen && own.mask.count() > 0 {
                let what = format!("{} {}", trained_on.seed_text(), method.name);
                let drawn = own.mask.matched_random(derived_seed(self.seed(), &what))?;
                let budget = Budget::like(&method.name, Share::of(share));
                masks.push((own.null(MATCHED, budget, drawn), share));
            }
            masks.push((own, share));
        }
        Ok(masks)
    }

    fn try_one(
        &mut self,
        candidate: &Candidate,
        allowed: f64,
        seconds: f64,
        planted: Option<&Mask>,
    ) -> Result<Tried, StudyError> {
        // Chance does nothing on held-out variations at home; nobody asks what it does elsewhere.
        let is_null = candidate.null_of.is_some();
        let (strategy, outcomes) = self.test_in(candidate, |scope| {
            !is_null || matches!(scope, Scope::HeldOut | Scope::LeftOut)
        })?;
        let seconds = if is_null { 0.0 } else { seconds };
        let precision_recall = planted.map(|planted| {
            let both = candidate.mask.intersection(planted)?.count() as f64;
            Ok::<_, StudyError>(
                [candidate.mask.count(), planted.count()].map(|n| both / n.max(1) as f64),
            )
        });
        Ok(Tried {
            strategy,
            allowed,
            seconds,
            precision_recall: precision_recall.transpose()?,
            outcomes,
        })
    }

    fn planted(&self, units: &[Unit]) -> Result<Mask, StudyError> {
        Ok(unit_mask(self.model().model().dims(), units, HeadAblation::ZeroOutput)?)
    }

    /// How well the scores of weights in MLP matrices, or of neurons, separate the planted ones
    /// from the others. Signed scores count by their size: a weight that holds a gap down is part
    /// of its mechanism as well. Weights that are zero are not candidates.
    fn locate(
        &self,
        finding: &Finding,
        planted: &[Unit],
    ) -> Result<Option<Localisation>, StudyError> {
        let size = |convention: Convention, score: f32| match convention {
            Convention::BiasCarried => score.abs(),
            Convention::Importance => score,
        };
        let found: Vec<(f32, bool)> = match finding {
            Finding::Units(scores)
                if matches!(scores.scores.first(), Some((Unit::Neuron(_), _))) =>
            {
                let of = |(unit, score): &(Unit, f32)| {
                    (size(scores.convention, *score), planted.contains(unit))
                };
                scores.scores.iter().map(of).collect()
            }
            Finding::Units(_) => return Ok(None),
            _ => {
                let Some(scores) = finding.scores()? else { return Ok(None) };
                let truth = self.planted(planted)?;
                let mut found = Vec::new();
                for own in scores.iter() {
                    let mlp =
                        own.path().projection().is_some_and(|(_, p)| p.sublayer() == Sublayer::Mlp);
                    if !mlp {
                        continue;
                    }
                    let weights = Weights::weight(self.model().model(), own.path())
                        .map_err(MaskError::from)?;
                    let weights = weights.into_data().iter::<f32>().collect::<Vec<_>>();
                    let bits = truth.get(own.path());
                    let of = |(i, (score, weight)): (usize, (&f32, f32))| {
                        let planted = bits.is_some_and(|bits| bits.contains(i));
                        (weight != 0.0).then(|| (size(own.convention(), *score), planted))
                    };
                    found.extend(own.values().iter().zip(weights).enumerate().filter_map(of));
                }
                found
            }
        };
        match localisation(found) {
            Ok(found) => Ok(Some(found)),
            Err(MetricError::OneClass) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
