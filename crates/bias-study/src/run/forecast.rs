//! The work of a study, and the time it will take on this machine.

use std::time::Instant;

use bias_ask::Tokenize;
use burn::tensor::backend::AutodiffBackend;

use crate::studied::Studied;

use super::study::Study;
use crate::StudyError;
use crate::likelihood::perplexity;
use crate::plan::{What, jobs, tests, tries};
use crate::prompts::{Names, PromptSet, VariationIndex};
use crate::results::{Form, Plan, TrainedOn};

/// The work of a plan after the audit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// The plan.
    pub plan: Plan,
    /// The number of masks, and of other changes of the model, that are made and tested. Pursuits
    /// may find fewer.
    pub masks: usize,
    /// The number of questions to changed models.
    pub questions: usize,
    /// The seconds that all of it will take, from this model's time for a few questions.
    pub seconds: f64,
}

/// The cost of finding masks, in forward passes over the attributed prompts: measured on models
/// from 0.6 to 135 million weights, and good to about a factor of two.
pub(crate) const WANDA: f64 = 1.5;
pub(crate) const SIGNED_GAP: f64 = 4.0;
pub(crate) const PURSUIT: f64 = 45.0;
pub(crate) const HEADS: f64 = 14.0;
pub(crate) const ALTERNATIVE: f64 = 60.0;
/// The number of questions of each kind that are timed.
const TIMED: usize = 16;

/// The time of a question of each form, and of neutral text.
pub(crate) struct Rates<'p> {
    forms: Vec<(&'p Form, f64)>,
    /// The seconds that neutral text takes once.
    pub(crate) neutral: f64,
}

impl Rates<'_> {
    /// The seconds that questions about some people in some variations take.
    pub(crate) fn seconds<A: AutodiffBackend, M: Studied<A>, T: Tokenize + Sync>(
        &self,
        study: &Study<'_, A, M, T>,
        places: &[VariationIndex],
        names: Names,
    ) -> f64 {
        let each = places.iter().map(|place| {
            let form = &study.prompts.contexts[place.0].variations[place.1].form;
            let rate =
                self.forms.iter().find(|(own, _)| *own == form).map_or(0.0, |(_, rate)| *rate);
            rate * study.questions.count(&[*place], names) as f64
        });
        each.sum()
    }
}

impl<'p, A: AutodiffBackend, M: Studied<A>, T: Tokenize + Sync> Study<'p, A, M, T> {
    /// Times a few questions of every form, and neutral text.
    pub(crate) fn rates(&self) -> Result<Rates<'p>, StudyError> {
        let mut forms: Vec<(&'p Form, f64)> = Vec::new();
        let prompts: &'p PromptSet = self.prompts;
        for (c, own) in prompts.contexts.iter().enumerate() {
            for (v, variation) in own.variations.iter().enumerate() {
                if forms.iter().any(|(form, _)| *form == &variation.form) {
                    continue;
                }
                let started = Instant::now();
                let asked = self.questions.try_some(
                    &self.model,
                    (c, v),
                    prompts.tested(),
                    TIMED,
                    self.options.settings.decoding,
                    self.options.threads,
                )?;
                forms
                    .push((&variation.form, started.elapsed().as_secs_f64() / asked.max(1) as f64));
            }
        }
        let started = Instant::now();
        perplexity(&self.model, &self.options.neutral)?;
        Ok(Rates { forms, neutral: started.elapsed().as_secs_f64() })
    }
}

impl<A: AutodiffBackend, M: Studied<A>, T: Tokenize + Sync> Study<'_, A, M, T> {
    /// The work of each plan after the audit, and the time it will take: times a few questions of
    /// every kind, and the neutral text. Asks the unpruned model first, unless that was done
    /// before.
    ///
    /// # Errors
    /// As [`Audit::audit`](crate::Audit::audit).
    pub fn forecast(&mut self) -> Result<Vec<Forecast>, StudyError> {
        self.reference()?;
        let rates = self.rates()?;
        let neutral = rates.neutral;
        let also = self.also_seconds(|_| true)?;
        let also_first = if self.also_known(None)? { 0.0 } else { also };
        let seconds = |places: &[VariationIndex], names: Names| rates.seconds(self, places, names);
        let of = |plan: Plan| {
            let mut own = Forecast { plan, masks: 0, questions: 0, seconds: also_first };
            for job in jobs(self.prompts, plan, &self.provenance().focus, &self.options.experiments)
            {
                // So many masks, of which the last are controls.
                let (finding, masks, controls) = match (job.what, plan, &job.trained_on) {
                    (What::Weights, _, TrainedOn::Variation(..)) => (WANDA + SIGNED_GAP, 2, 0),
                    (What::Weights, Plan::Full, _) => (WANDA + SIGNED_GAP, 8, 0),
                    (What::Weights, Plan::Core, _) => (WANDA + SIGNED_GAP, 4, 2),
                    (What::Weights, Plan::Short, _) => (WANDA + SIGNED_GAP, 6, 0),
                    (What::Pursuit, ..) => (PURSUIT, 2, 1),
                    (What::Heads, _, TrainedOn::Variation(..)) => (HEADS, 1, 0),
                    (What::Heads, Plan::Core, _) => (HEADS, 2, 1),
                    (What::Heads, ..) => (HEADS, 3, 1),
                    (What::Layers, ..) => {
                        (WANDA + SIGNED_GAP, 2 * self.model.model().dims().layers, 0)
                    }
                    (What::Alternative(_), ..) => (ALTERNATIVE, 1, 0),
                };
                let places = self.places(&job.trained_on);
                let all = self.questions.count(&places, self.prompts.attributed());
                let seen = self.questions.count_attributed(&places) as f64 / all.max(1) as f64;
                own.seconds += finding * seen * seconds(&places, self.prompts.attributed());
                let tests = tests(self.prompts, &job.trained_on);
                for test in &tests {
                    let masks =
                        if tries(plan, true, test.scope) { masks } else { masks - controls };
                    own.questions +=
                        masks * self.questions.count(&test.places, self.prompts.tested());
                    own.seconds += masks as f64 * seconds(&test.places, self.prompts.tested());
                }
                own.masks += masks;
                own.seconds += masks as f64 * (neutral + also);
            }
            own
        };
        Ok(Plan::ALL.map(of).into())
    }
}
