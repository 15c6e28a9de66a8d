//! Asking: the unpruned model everything once, changed models what is not known of them yet.

use std::sync::Arc;
use std::time::Instant;

use bias_mask::{Intervention, Mask};
use bias_model::Decoder;
use burn::tensor::backend::AutodiffBackend;

use super::progress::Progress;
use super::study::Study;
use crate::StudyError;
use crate::likelihood::perplexity;
use crate::parallel::in_parallel;
use crate::plan::{Test, named};
use crate::prompts::Names;
use crate::results::Baseline;
use crate::statistics::Reference;
use crate::store::Piece;

impl<'a, A: AutodiffBackend> Study<'a, A> {
    /// Asks the model everything, once.
    ///
    /// # Errors
    /// A failed forward pass, or answers that never state a number.
    pub fn audit(&mut self) -> Result<Vec<Baseline>, StudyError> {
        self.reference()?.baselines(self.prompts, &self.measure)
    }

    /// The unpruned model, asked everything once.
    pub(crate) fn reference(&mut self) -> Result<Arc<Reference>, StudyError> {
        if let Some(known) = &self.reference {
            return Ok(known.clone());
        }
        let started = Instant::now();
        let contexts = &self.prompts.contexts;
        let all = |c: usize| self.prompts.places(c, |_| true);
        let count = |c: usize| self.questions.count(&all(c), Names::Everybody);
        let progress = Progress::new("audit", "questions", (0..contexts.len()).map(count).sum());
        for (c, own) in contexts.iter().enumerate() {
            let piece = Piece::Answers(&own.context);
            if self.store.has(&piece)? {
                progress.known(count(c));
                continue;
            }
            let (decoding, threads) = (self.options.settings.decoding, self.options.threads);
            let done = |questions| progress.done(questions);
            let answers =
                self.questions.ask(&self.model, &all(c), Names::Everybody, decoding, threads, &done)?;
            self.store.put(&piece, answers.into_values().collect::<Vec<_>>())?;
        }
        progress.finish();
        self.keep_perplexity(None)?;
        let reference = Arc::new(Reference::read(&self.store, self.prompts, &self.measure)?);
        self.phase("audit", started);
        Ok(self.reference.insert(reference).clone())
    }

    fn keep_perplexity(&self, change: Option<&str>) -> Result<(), StudyError> {
        let piece = Piece::Perplexity(change);
        if self.store.has(&piece)? {
            return Ok(());
        }
        self.store.put(&piece, perplexity(&self.model, &self.options.neutral)?)
    }

    /// Prunes, asks what is not known yet, and restores the model.
    pub(crate) fn with_mask(
        &mut self,
        mask: &Mask,
        digest: &str,
        tests: &[Test],
        reference: &Reference,
    ) -> Result<(), StudyError> {
        if self.known(digest, tests)? {
            return Ok(());
        }
        let undo = mask.apply(self.model.model_mut(), Intervention::Zero)?;
        let asked = self.ask_changed(digest, tests, reference);
        undo.revert(self.model.model_mut())?;
        asked
    }

    /// Puts another model in place of the studied one, asks it what is not known yet, and puts that back.
    pub(crate) fn with_model(
        &mut self,
        changed: Decoder<A::InnerBackend>,
        change: &str,
        tests: &[Test],
        reference: &Reference,
    ) -> Result<(), StudyError> {
        let studied = std::mem::replace(self.model.model_mut(), changed);
        let asked = self.ask_changed(change, tests, reference);
        *self.model.model_mut() = studied;
        asked
    }

    /// Whether all is known of a changed model.
    pub(crate) fn known(&self, change: &str, tests: &[Test]) -> Result<bool, StudyError> {
        for test in tests {
            if !self.store.has(&Piece::Tested(change, named(self.prompts, &test.places)))? {
                return Ok(false);
            }
        }
        self.store.has(&Piece::Perplexity(Some(change)))
    }

    /// Asks the model as it is now what is not known of it yet.
    fn ask_changed(&self, change: &str, tests: &[Test], reference: &Reference) -> Result<(), StudyError> {
        let (names, decoding) = (self.prompts.tested(), self.options.settings.decoding);
        let piece = |test: &Test| Piece::Tested(change, named(self.prompts, &test.places));
        let mut missing: Vec<&Test> = Vec::new();
        for test in tests {
            if !self.store.has(&piece(test))? {
                missing.push(test);
            }
        }
        // Tests are too small to keep several threads busy to their end, but there are several.
        let side_by_side = self.side_by_side().min(missing.len()).max(1);
        let threads = self.options.threads / side_by_side;
        in_parallel(side_by_side, &missing, |test| {
            let answers =
                self.questions.ask(&self.model, &test.places, names, decoding, threads.max(1), &|_| {})?;
            let reduced = answers.into_iter().map(|(place, own)| {
                let said = own.said(names, self.measure.sampled);
                self.measure.reduce(said, reference.fences[&place].as_ref())
            });
            self.store.put(&piece(test), reduced.collect::<Result<Vec<_>, _>>()?)
        })?;
        self.keep_perplexity(Some(change))
    }
}
