//! The work of the protocol, job by job. Each job is kept when it is done.

use std::collections::BTreeSet;
use std::time::Instant;

use bias_ask::Tokenize;
use bias_attrib::Contrast;
use bias_mask::{Intervention, Mask};
use bias_types::UnitKind;
use burn::tensor::backend::AutodiffBackend;

use super::change::{Dialable, Made};
use super::dial::{Stopped, dialled};
use super::gap::Gap;
use super::jobs::{jobs, places, targets, test};
use super::protocol::Protocol;
use crate::StudyError;
use crate::find::{MethodInput, may_pass};
use crate::plan::{DialJob, Test};
use crate::results::{
    Alternative, Approach, Bound, Budget, Control, Experiment, Generalization, Power, Seen,
    Strategy, Target, TrainedOn,
};
use crate::run::{Progress, Study};
use crate::seed::derived_seed;
use crate::shard::Shard;
use crate::statistics::Reference;
use crate::store::{CHOSE_NOTHING, DialFound, Dialled, Found, Piece};
use crate::studied::Studied;
use crate::treat::questions;

impl<A: AutodiffBackend, M: Studied<A>, T: Tokenize + Sync> Study<'_, A, M, T> {
    /// Runs the protocol on the prompts that [`Protocol::prompts`] gave. A run that was stopped
    /// goes on in its folder.
    ///
    /// # Errors
    /// [`StudyError::Protocol`] without neutral text; else see [`StudyError`]. Finished work is
    /// kept.
    pub fn generalize(&mut self, protocol: &Protocol) -> Result<Generalization, StudyError> {
        if let Some(shard) = self.options.shard {
            return Err(StudyError::OnlyAPart { shard });
        }
        self.generalize_work(protocol)?;
        let started = Instant::now();
        let results = self.generalized(protocol)?;
        self.phase("statistics", started);
        Ok(results)
    }

    /// Does what is not yet done of this part of the protocol.
    ///
    /// # Errors
    /// As [`generalize`](Self::generalize).
    pub fn generalize_work(&mut self, protocol: &Protocol) -> Result<(), StudyError> {
        if self.options.neutral.is_empty() {
            let reason = "without neutral text nothing says how much damage a change does; name a \
                          file of neutral texts (--neutral)";
            return Err(StudyError::Protocol { reason: reason.into() });
        }
        self.check_protocol(protocol)?;
        let reference = self.reference()?;
        self.score_also_first()?;
        let shard = self.options.shard.unwrap_or(Shard::WHOLE);
        if shard.takes(0) {
            self.make_gate(protocol, &reference)?;
        }
        let all = self.dial_jobs(protocol, &reference)?;
        let own: Vec<DialJob> = all
            .into_iter()
            .enumerate()
            .filter(|(i, _)| shard.takes(*i))
            .map(|(_, job)| job)
            .collect();
        let progress = Progress::new("dial and test", "steps", own.len());
        for job in &own {
            let control = if job.shuffled { ", placebo" } else { "" };
            progress.doing(format!("{}: {}{control}", job.seen, job.approach));
            let made = self.store.made();
            self.dial_and_test(protocol, job, &reference)?;
            progress.one(self.store.made() > made);
        }
        progress.finish();
        Ok(())
    }

    /// Checks what the protocol names against this model.
    pub(super) fn check_protocol(&self, protocol: &Protocol) -> Result<(), StudyError> {
        if let Some(truth) = &protocol.truth {
            truth.check(self.model.model())?;
        }
        protocol.check_methods::<A, M>()
    }

    /// The jobs whose home has a gap that can be measured.
    pub(super) fn dial_jobs(
        &self,
        protocol: &Protocol,
        reference: &Reference,
    ) -> Result<Vec<DialJob>, StudyError> {
        let tasks = self.tasks().and_then(|set| self.also.get(set));
        let tasks = tasks.map(|own| own.texts.as_str());
        let mut all = jobs(protocol, self.prompts, tasks)?;
        let seen: BTreeSet<Seen> = all.iter().map(|job| job.seen.clone()).collect();
        let mut nothing = BTreeSet::new();
        for own in seen {
            if self.nothing_at(&own, reference)?.is_some() {
                nothing.insert(own);
            }
        }
        all.retain(|job| !nothing.contains(&job.seen));
        Ok(all)
    }

    /// Why nothing is tried on what an approach would see: a home without a measurable gap, or a
    /// left-out context without one.
    pub(super) fn nothing_at(
        &self,
        seen: &Seen,
        reference: &Reference,
    ) -> Result<Option<String>, StudyError> {
        let power = |target: Target| -> Result<Power, StudyError> {
            Ok(Gap::of(&target, self.prompts, reference, &self.measure, self.seed())?.power)
        };
        let own = seen.context().clone();
        let all = match seen {
            Seen::AllBut(_) => vec![power(Target::Elsewhere(own))?],
            Seen::Home(_) | Seen::Asking(..) => {
                vec![power(Target::Names(own.clone()))?, power(Target::Home(own))?]
            }
        };
        if all.iter().any(|own| own.measurable) {
            return Ok(None);
        }
        let reason = all.iter().find_map(|own| own.reason.clone()).unwrap_or_default();
        Ok(Some(format!("{} has no gap to work on: {reason}", seen.context())))
    }

    fn dial_and_test(
        &mut self,
        protocol: &Protocol,
        job: &DialJob,
        reference: &Reference,
    ) -> Result<(), StudyError> {
        let mut made = None;
        let found = match self.kept(job)? {
            Some(found) => found,
            None => {
                let started = Instant::now();
                let (found, dialable) = self.dial(protocol, job, reference)?;
                self.store.put(&Piece::Dialled(job), &found)?;
                made = dialable;
                self.phase("attribute and dial", started);
                found
            }
        };
        let started = Instant::now();
        for own in &found.found {
            let control = if job.shuffled { Control::Shuffled } else { Control::Own };
            let tests = self.dial_tests(protocol, &job.seen, control);
            if !self.all_known(own.found.change(), &tests)? {
                match &own.found.mask {
                    Some(name) => {
                        let mask = self.store.mask(name)?;
                        self.with_mask(&mask, own.found.change(), &tests, reference)?;
                    }
                    None => {
                        let dialable = match made.take() {
                            Some(known) => known,
                            // What was trained is not kept, and is trained again.
                            None => self.dialable(protocol, job, reference)?,
                        };
                        let model = dialable.at(self.model.model(), own.strength)?;
                        if let Made::Model(model, _) = model {
                            self.with_model(*model, own.found.change(), &tests, reference)?;
                        }
                        made = Some(dialable);
                    }
                }
            }
            if let Some(random) = &own.random
                && let Some(name) = &random.mask
            {
                let tests = self.dial_tests(protocol, &job.seen, Control::Random);
                if !self.all_known(random.change(), &tests)? {
                    let mask = self.store.mask(name)?;
                    self.with_mask(&mask, random.change(), &tests, reference)?;
                }
            }
        }
        self.phase("test", started);
        Ok(())
    }

    /// What was kept of a job, if its masks are there too.
    fn kept(&self, job: &DialJob) -> Result<Option<DialFound>, StudyError> {
        let kept = self.store.get::<DialFound>(&Piece::Dialled(job))?;
        let masks = kept.iter().flat_map(|own| &own.found);
        for own in masks.flat_map(|own| std::iter::once(&own.found).chain(&own.random)) {
            if let Some(name) = &own.mask
                && !self.store.is_mask(name, &own.strategy.mask)?
            {
                return Ok(None);
            }
        }
        Ok(kept)
    }

    /// Where a change is tested.
    pub(super) fn dial_tests(
        &self,
        protocol: &Protocol,
        seen: &Seen,
        control: Control,
    ) -> Vec<Test> {
        let targets = targets(protocol, self.prompts, seen, control);
        targets.iter().map(|target| test(self.prompts, target)).collect()
    }

    /// What an approach gives on what it may see.
    fn dialable(
        &self,
        protocol: &Protocol,
        job: &DialJob,
        reference: &Reference,
    ) -> Result<Dialable<M>, StudyError> {
        let places = places(self.prompts, &job.seen);
        let shuffles = self.shuffles(job);
        let contrasts = places.iter().map(|place| {
            let answers = &reference.answers[place];
            match shuffles {
                Some(seed) => self.questions.placebo(*place, answers, seed),
                None => self.questions.contrast(*place, answers),
            }
        });
        let contrasts: Vec<Contrast> = contrasts.collect::<Result<_, _>>()?;
        let knowledge = match &job.approach {
            Approach::Edit(Alternative::KnowledgeNeurons) => questions(&self.model)?,
            _ => Vec::new(),
        };
        let input = self.method_input(&contrasts, self.weights(job.most));
        let input = MethodInput { knowledge: &knowledge, ..input };
        let truth = protocol.truth.as_ref();
        Dialable::find::<A>(&job.approach, &job.seen, job.shuffled, truth, &input)
    }

    /// Finds what to change, and the largest strength within each limit.
    fn dial(
        &mut self,
        protocol: &Protocol,
        job: &DialJob,
        reference: &Reference,
    ) -> Result<(DialFound, Option<Dialable<M>>), StudyError> {
        let mut all = DialFound::default();
        let dialable = match self.dialable(protocol, job, reference) {
            Ok(found) => found,
            // A method that cannot look at this must not cost the others' work.
            Err(StudyError::Attrib(error)) if may_pass(&error) => return Err(error.into()),
            Err(error @ (StudyError::Attrib(_) | StudyError::Treatment { .. })) => {
                all.absent.push((None, error.to_string()));
                return Ok((all, None));
            }
            Err(error) => return Err(error),
        };
        let whole = dialable.at(self.model.model(), dialable.ends()[2])?;
        let nothing = match &whole {
            Made::Mask(mask) => mask.count() == 0,
            Made::Model(_, weights) => *weights == 0 && job.approach.is_mask(),
        };
        if nothing {
            all.absent.push((None, CHOSE_NOTHING.into()));
            return Ok((all, None));
        }
        for &limit in &job.limits {
            let stopped = dialled(
                dialable.ends(),
                job.probes,
                |strength| dialable.round(strength),
                |strength| {
                    let made = dialable.at(self.model.model(), strength)?;
                    self.refused(job, made, [limit, strength], reference)
                },
            )?;
            match stopped {
                Stopped::Nowhere(bound) => {
                    all.absent.push((Some(limit), bound.of_the_smallest_step().into()));
                }
                Stopped::At(strength, bound) => {
                    let made = dialable.at(self.model.model(), strength)?;
                    all.found.push(self.entry(job, made, [limit, strength], bound)?);
                }
            }
        }
        Ok((all, Some(dialable)))
    }

    /// What refuses a change of this strength, if anything does. Asks no more than is needed to
    /// know, and keeps it.
    fn refused(
        &mut self,
        job: &DialJob,
        made: Made<M>,
        [limit, strength]: [f64; 2],
        reference: &Reference,
    ) -> Result<Option<Bound>, StudyError> {
        let change = match &made {
            Made::Mask(mask) if mask.count() > self.weights(job.most) => {
                return Ok(Some(Bound::Size));
            }
            Made::Mask(mask) => mask.digest(),
            Made::Model(..) => edit_id(job, strength),
        };
        let known = self.is_probed(&change)?;
        if known && let Some(bound) = self.damage(&change)?.bound(limit) {
            return Ok(Some(bound));
        }
        if !known || !self.is_seen(job, &change)? {
            let bound = self.changed(made, |study| {
                study.probe(&change)?;
                let bound = study.damage(&change)?.bound(limit);
                if bound.is_none() {
                    study.ask_seen(job, &change, reference)?;
                }
                Ok(bound)
            })?;
            if bound.is_some() {
                return Ok(bound);
            }
        }
        self.seen_bound(job, &change, reference)
    }

    /// Does something while the model is changed.
    fn changed<R>(
        &mut self,
        made: Made<M>,
        act: impl FnOnce(&Self) -> Result<R, StudyError>,
    ) -> Result<R, StudyError> {
        match made {
            Made::Mask(mask) => {
                let undo = mask.apply(self.model.model_mut(), Intervention::Zero)?;
                let done = act(self);
                undo.revert(self.model.model_mut())?;
                done
            }
            Made::Model(model, _) => {
                let studied = std::mem::replace(self.model.model_mut(), *model);
                let done = act(self);
                *self.model.model_mut() = studied;
                done
            }
        }
    }

    /// The entry of a change, with its mask kept, and its random control.
    fn entry(
        &self,
        job: &DialJob,
        made: Made<M>,
        [limit, strength]: [f64; 2],
        bound: Option<Bound>,
    ) -> Result<Dialled, StudyError> {
        let control = if job.shuffled { Control::Shuffled } else { Control::Own };
        let id = change_id(job, control, limit);
        let mut random = None;
        let found = match made {
            Made::Model(_, weights) => {
                let own = self.dial_strategy(job, edit_id(job, strength), weights, String::new());
                Found { strategy: own, mask: None }
            }
            Made::Mask(mask) => {
                let tested = matches!(job.seen, Seen::Home(_) | Seen::AllBut(_));
                if tested && !job.shuffled {
                    let id = change_id(job, Control::Random, limit);
                    let drawn = mask.matched_random(derived_seed(self.seed(), &id))?;
                    random = Some(self.keep_mask(job, id, drawn)?);
                }
                self.keep_mask(job, id, mask)?
            }
        };
        Ok(Dialled { limit, strength, bound, found, random })
    }

    fn keep_mask(&self, job: &DialJob, id: String, mask: Mask) -> Result<Found, StudyError> {
        let strategy = self.dial_strategy(job, id, mask.count(), mask.digest());
        let mask = mask
            .for_model(bias_probe::Weights::fingerprint(self.model.model())?)
            .with_note("strategy", &strategy.id)
            .with_note("prompts", &self.provenance().prompts);
        let name = self.store.keep(&strategy.id, &strategy.mask, mask)?;
        Ok(Found { strategy, mask: Some(name) })
    }

    fn dial_strategy(&self, job: &DialJob, id: String, weights: usize, mask: String) -> Strategy {
        let own = job.seen.context().clone();
        Strategy {
            id,
            experiment: if job.approach.is_mask() {
                Experiment::Transfer
            } else {
                Experiment::Alternatives
            },
            method: job.approach.to_string(),
            unit: match &job.approach {
                Approach::Mask(_, unit) => *unit,
                Approach::Planted => UnitKind::Neuron,
                Approach::Edit(_) => UnitKind::Weight,
            },
            trained_on: match job.seen {
                Seen::AllBut(_) => TrainedOn::AllBut(own),
                Seen::Home(_) | Seen::Asking(..) => TrainedOn::Context(own),
            },
            budget: Budget::Words("dialled".into()),
            null_of: None,
            weights,
            share: weights as f64 / self.model.model().dims().prunable_weights() as f64,
            mask,
            perplexity_change: None,
        }
    }
}

/// The name of a change in results.
pub(super) fn change_id(job: &DialJob, control: Control, limit: f64) -> String {
    let DialJob { approach, seen, .. } = job;
    match control {
        Control::Own => format!("{approach}/{seen}/{limit}"),
        control => format!("{approach}/{seen}/{control}/{limit}"),
    }
}

/// The name that the tests of an edit are kept under: what it is, and not which limit led to it.
fn edit_id(job: &DialJob, strength: f64) -> String {
    let DialJob { approach, seen, .. } = job;
    let labels = if job.shuffled { "shuffled" } else { "as they are" };
    // This one edits as many weights as a mask may take.
    let most = match approach {
        Approach::Edit(Alternative::MeanAblation) => format!("/{}", job.most),
        _ => String::new(),
    };
    format!("{approach}/{seen}/{labels}/{strength}{most}")
}
