//! The work of a study, job by job. Each job is kept when it is done.

use std::time::Instant;

use bias_ask::Tokenize;
use bias_attrib::methods::standardized_gap;
use bias_attrib::{AttribError, Contrast};
use bias_mask::Mask;
use bias_types::UnitKind;
use burn::tensor::backend::AutodiffBackend;

use crate::studied::Studied;

use super::progress::Progress;
use super::study::Study;
use crate::StudyError;
use crate::find::{
    Candidate, Masks, head_masks, is_left_out, keep, layer_masks, pursuit_masks, weight_masks,
};
use crate::plan::{Job, What, jobs, tests, tests_of};
use crate::prompts::VariationIndex;
use crate::results::{
    Alternative, Budget, Experiment, GAP_SHARE, LeftOut, PURSUIT_SHARE, Split, Strategy, TrainedOn,
    method,
};
use crate::shard::Shard;
use crate::statistics::Reference;
use crate::store::{Found, JobFound, Piece};
use crate::treat::{Treatment, treat};

impl<A: AutodiffBackend, M: Studied<A>, T: Tokenize + Sync> Study<'_, A, M, T> {
    /// Does the work of this part of the study that is not yet done. If the part is the whole
    /// study, [`run`](Self::run) computes results from it.
    ///
    /// # Errors
    /// See [`StudyError`]; finished work is kept.
    pub fn work(&mut self) -> Result<(), StudyError> {
        let reference = self.reference()?;
        self.score_also_first()?;
        let shard = self.options.shard.unwrap_or(Shard::WHOLE);
        let provenance = self.provenance();
        let all =
            jobs(self.prompts, self.options.plan, &provenance.focus, &self.options.experiments);
        let own: Vec<Job> = all
            .into_iter()
            .enumerate()
            .filter(|(i, _)| shard.takes(*i))
            .map(|(_, job)| job)
            .collect();
        let progress = Progress::new("find and try", "steps", own.len());
        if !own.is_empty() {
            self.unguarded().into_iter().for_each(|line| progress.note(line));
            self.without_gap(&reference)?.iter().for_each(|line| progress.note(line));
        }
        for job in &own {
            progress.doing(format!("{}: {}", job.trained_on, job.what.name()));
            let made = self.store.made();
            match job.what {
                What::Alternative(alternative) => {
                    self.try_alternative(job, alternative, &reference)?
                }
                _ => self.find_and_try(job, &reference)?,
            }
            progress.one(self.store.made() > made);
        }
        progress.finish();
        Ok(())
    }

    fn find_and_try(&mut self, job: &Job, reference: &Reference) -> Result<(), StudyError> {
        let piece = Piece::Found(job);
        let kept = self.store.get::<JobFound>(&piece)?;
        // Of masks that were lost or damaged since, nothing may be said.
        let mut whole = true;
        for own in kept.iter().flat_map(|kept| &kept.found) {
            whole &= match &own.mask {
                Some(name) => self.store.is_mask(name, &own.strategy.mask)?,
                None => false,
            };
        }
        let found = match kept.filter(|_| whole) {
            Some(found) => found,
            None => {
                let started = Instant::now();
                let Masks { candidates, left_out } = self.masks_of(job, reference)?;
                let found = candidates.into_iter().map(|own| self.keep(job.what.experiment(), own));
                let found = JobFound { found: found.collect::<Result<_, _>>()?, left_out };
                self.store.put(&piece, &found)?;
                self.phase("attribute", started);
                found
            }
        };
        let started = Instant::now();
        for own in &found.found {
            let tests = tests_of(self.prompts, self.options.plan, &own.strategy);
            if let Some(name) = &own.mask
                && !self.all_known(own.change(), &tests)?
            {
                let mask = self.store.mask(name)?;
                self.with_mask(&mask, own.change(), &tests, reference)?;
            }
        }
        self.phase("prune and audit again", started);
        Ok(())
    }

    fn try_alternative(
        &mut self,
        job: &Job,
        alternative: Alternative,
        reference: &Reference,
    ) -> Result<(), StudyError> {
        let piece = Piece::Found(job);
        let tests = tests(self.prompts, &job.trained_on);
        if let Some(JobFound { found, .. }) = self.store.get(&piece)? {
            let mut known = true;
            for own in &found {
                known &= self.all_known(own.change(), &tests)?;
            }
            if known {
                return Ok(());
            }
        }
        let started = Instant::now();
        let contrasts: Vec<Contrast> = self
            .places(&job.trained_on)
            .iter()
            .map(|place| self.contrast(*place, reference))
            .collect::<Result<_, _>>()?;
        let input = self.method_input(&contrasts, self.weights(PURSUIT_SHARE.value()));
        let found = match treat(alternative, &input, &Treatment::default()) {
            Err(StudyError::Attrib(reason)) if is_left_out(&reason) => {
                let left_out = vec![LeftOut {
                    method: alternative.name().into(),
                    unit: UnitKind::Weight,
                    trained_on: job.trained_on.clone(),
                    reason: reason.to_string(),
                }];
                JobFound { found: Vec::new(), left_out }
            }
            Err(error) => return Err(error),
            Ok(treated) => {
                let strategy = Strategy {
                    id: format!("{}/{}/{}", job.trained_on, alternative.name(), treated.budget),
                    experiment: job.what.experiment(),
                    method: alternative.name().into(),
                    unit: UnitKind::Weight,
                    trained_on: job.trained_on.clone(),
                    budget: treated.budget,
                    null_of: None,
                    weights: treated.weights,
                    share: treated.weights as f64
                        / self.model.model().dims().prunable_weights() as f64,
                    mask: String::new(),
                    perplexity_change: None,
                };
                self.with_model(treated.model, &strategy.id, &tests, reference)?;
                JobFound { found: vec![Found { strategy, mask: None }], left_out: Vec::new() }
            }
        };
        self.store.put(&piece, &found)?;
        self.phase("alternatives", started);
        Ok(())
    }

    /// The variations that attribution has to leave out, a line for each. No masks are made from
    /// them, and no masks of the gap in a scope without other variations.
    fn without_gap(&self, reference: &Reference) -> Result<Vec<String>, StudyError> {
        let mut lines = Vec::new();
        for place in self.places(&TrainedOn::All) {
            match standardized_gap(&self.contrast(place, reference)?) {
                Err(error) if error.is_without_gap() => {
                    let own = &self.prompts.contexts[place.0];
                    let (context, variation) = (&own.context, &own.variations[place.1].name);
                    let values = reference.answers.get(&place).map(|own| (place, own));
                    let named = self.questions.without_values(values);
                    lines.push(match (error, named) {
                        (AttribError::NoValue { .. }, Some(named)) => named.to_string(),
                        (error, _) => {
                            format!("{context}, {variation}: its gap is not attributed: {error}")
                        }
                    });
                }
                // Any other error is the method's to say.
                _ => {}
            }
        }
        Ok(lines)
    }

    fn keep(&self, experiment: Experiment, candidate: Candidate) -> Result<Found, StudyError> {
        let mut strategy = candidate.strategy(self.model.model().dims());
        strategy.experiment = experiment;
        let mask: Mask = candidate
            .mask
            .for_model(bias_probe::Weights::fingerprint(self.model.model())?)
            .with_note("strategy", &strategy.id)
            .with_note("prompts", &self.provenance().prompts);
        let name = self.store.keep(&strategy.id, &strategy.mask, mask)?;
        Ok(Found { strategy, mask: Some(name) })
    }

    /// The variations that masks are made from.
    pub(crate) fn places(&self, trained_on: &TrainedOn) -> Vec<VariationIndex> {
        let of = |context: usize| self.prompts.places(context, |v| v.split == Split::Attribution);
        let all = 0..self.prompts.contexts.len();
        let named = |name: &bias_types::prompt::Context| self.prompts.index_of(name.as_str());
        match trained_on {
            TrainedOn::Variation(context, variation) => named(context)
                .map_or(Vec::new(), |c| self.prompts.places(c, |v| v.name == *variation)),
            TrainedOn::Context(context) => named(context).map_or(Vec::new(), of),
            TrainedOn::AllBut(context) => {
                all.filter(|c| named(context) != Some(*c)).flat_map(of).collect()
            }
            TrainedOn::All => all.flat_map(of).collect(),
        }
    }

    /// All masks that a job tries.
    fn masks_of(&self, job: &Job, reference: &Reference) -> Result<Masks, StudyError> {
        let trained_on = &job.trained_on;
        let contrasts: Vec<Contrast> = self
            .places(trained_on)
            .iter()
            .map(|place| self.contrast(*place, reference))
            .collect::<Result<_, _>>()?;
        let input = self.method_input(&contrasts, self.weights(PURSUIT_SHARE.value()));
        let mut masks = match job.what {
            What::Weights => weight_masks(&input, trained_on)?,
            What::Layers => return layer_masks(&input, trained_on),
            What::Pursuit => pursuit_masks(&input, trained_on)?,
            What::Heads => head_masks::<A, M>(
                self.model.model(),
                &Contrast::pooled(&contrasts),
                trained_on,
                self.seed(),
            )?,
            What::Alternative(_) => Masks::default(),
        };
        if matches!(trained_on, TrainedOn::Variation(..)) {
            // One budget per method is enough to see how far one prompt's mask carries.
            let nulls: Vec<String> =
                masks.candidates.iter().filter_map(|own| own.null_of.clone()).collect();
            masks.candidates.retain(|own| match own.method.as_str() {
                method::WANDA_B_A => true,
                method::SIGNED_GAP => own.budget == Budget::Share(GAP_SHARE),
                method::HEAD_ATTENTION => nulls.contains(&own.id()),
                _ => false,
            });
        } else {
            keep(job.plan, &mut masks.candidates);
        }
        Ok(masks)
    }
}
