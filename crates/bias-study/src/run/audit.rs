//! Asking: the unpruned model everything once, changed models whatever is not yet known of them.

use std::sync::Arc;
use std::time::Instant;

use bias_ask::{Decoding, Respond};
use bias_files::hex;
use bias_probe::in_threads;
use sha2::{Digest as _, Sha256};

use super::executable::executable;
use super::manifest::Manifest;
use super::memory::peak_memory;
use super::options::StudyOptions;
use super::progress::Progress;
use crate::StudyError;
use crate::ask::Questionnaire;
use crate::likelihood::perplexity;
use crate::plan::{Test, focus, named};
use crate::prompts::{Names, PromptSet, VariationIndex};
use crate::results::{Baseline, GroupDifferences, Kind, Phase, Timing};
use crate::save::write;
use crate::statistics::{Measure, Measured, Reference, differences_by};
use crate::store::{Audited, PROMPTS, Piece, Program, Provenance, Run, Store};

/// A responder and one set of prompts: asks everything once and measures the answers.
///
/// It needs neither gradients nor tensors. The responder is a loaded model
/// ([`LanguageModel`](bias_model::LanguageModel)) on any backend, or anything else that can
/// [`Respond`]. A [`Study`](super::Study) builds on it.
pub struct Audit<'a, R: Respond> {
    pub(crate) model: R,
    pub(crate) prompts: &'a PromptSet,
    pub(crate) options: StudyOptions,
    pub(crate) store: Store,
    provenance: Provenance,
    pub(crate) measure: Measure,
    pub(crate) questions: Questionnaire<'a, R::Question>,
    phases: Vec<Phase>,
    /// The answers of the unpruned model, once it was asked.
    pub(super) reference: Option<Arc<Reference>>,
}

/// Whether attribution may see the neutral text with this index, from 0: every second text.
/// Perplexity is measured on the others.
pub(super) fn guards(text: usize) -> bool {
    text % 2 == 1
}

impl<R: Respond> std::fmt::Debug for Audit<'_, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audit")
            .field("provenance", &self.provenance)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl<'a, R: Respond> Audit<'a, R> {
    /// Takes a responder (called `name` in the results) and the prompts.
    ///
    /// # Errors
    /// [`StudyError::Prompt`] for a prompt that cannot be asked; impossible settings;
    /// [`StudyError::NoFingerprint`] for a folder to keep the study of a model without one in;
    /// [`StudyError::OtherStudy`] or [`StudyError::Busy`] for a folder that another study uses;
    /// [`StudyError::NotAsWritten`] for finished work that was changed.
    pub fn new(
        model: R,
        name: &str,
        prompts: &'a PromptSet,
        mut options: StudyOptions,
    ) -> Result<Self, StudyError> {
        options.settings.sampling = model.options().sampling.clone();
        options.settings.max_new_tokens = model.options().max_new_tokens;
        let questions = Questionnaire::new(&model, prompts, &options.settings)?;
        let measure = Measure::new(&options.settings)?;
        let neutral = options.neutral.iter().fold(Sha256::new(), |hash, text| {
            hash.chain_update((text.len() as u64).to_le_bytes()).chain_update(text)
        });
        let mut identity = model.identity()?;
        if options.select_on_device {
            identity.backend += ", selecting there";
        }
        let provenance = Provenance {
            format: Provenance::FORMAT.into(),
            program: Program::this(identity.backend),
            model: Audited {
                name: name.into(),
                fingerprint: identity.fingerprint,
                dims: identity.dims,
            },
            run: Run {
                config: hex(&Sha256::digest(identity.configuration)),
                tokenizer: identity.tokenizer,
                weights: identity.weights,
                stop: model.options().stop.clone(),
                batch_rows: model.options().batch_rows,
                date: identity.date,
            },
            prompts: prompts.digest()?,
            questions: questions.digest().into(),
            neutral: hex(&neutral.finalize()),
            settings: options.settings.clone(),
            focus: focus(prompts, options.focus.clone()),
        };
        if options.out.is_some() && provenance.model.known_fingerprint().is_none() {
            return Err(StudyError::NoFingerprint { what: "a study that is kept in a folder" });
        }
        let store = match &options.out {
            None => Store::in_memory(&provenance)?,
            Some(folder) => {
                let store = Store::open(folder, &provenance, options.shard)?;
                Manifest::reopen(folder)?;
                let path = folder.join(PROMPTS);
                let json = serde_json::to_vec(prompts)
                    .map_err(|e| StudyError::Write { path: path.clone(), source: e.into() })?;
                write(&path, &json)?;
                store
            }
        };
        let measured = std::mem::take(&mut options.neutral).into_iter().enumerate();
        options.neutral = measured.filter(|(i, _)| !guards(*i)).map(|(_, text)| text).collect();
        Ok(Self {
            model,
            prompts,
            options,
            store,
            provenance,
            measure,
            questions,
            phases: Vec::new(),
            reference: None,
        })
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &R {
        &self.model
    }

    /// The model, to prune it by hand. Its known answers are forgotten, and nothing more is kept in
    /// the study's folder.
    pub fn model_mut(&mut self) -> &mut R {
        self.reference = None;
        self.store.forget();
        &mut self.model
    }

    /// Everything that decides this study's numbers.
    #[must_use]
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// The time of each step so far.
    #[must_use]
    pub fn timing(&self) -> Timing {
        Timing {
            phases: self.phases.clone(),
            peak_memory_bytes: peak_memory(),
            executable: executable(),
        }
    }

    pub(crate) fn phase(&mut self, name: &str, started: Instant) {
        let seconds = started.elapsed().as_secs_f64();
        match self.phases.iter_mut().find(|phase| phase.name == name) {
            Some(phase) => phase.seconds += seconds,
            None => self.phases.push(Phase { name: name.into(), seconds }),
        }
    }

    /// Asks the model everything, once.
    ///
    /// # Errors
    /// A failed forward pass, or answers that never state a number.
    pub fn audit(&mut self) -> Result<Vec<Baseline>, StudyError> {
        self.reference()?.baselines(self.prompts, &self.measure)
    }

    /// The differences between the groups of every attribute in [`PromptSet::by`], in every context.
    /// Asks the model first, unless that was done before.
    ///
    /// # Errors
    /// As [`audit`](Self::audit).
    pub fn group_differences(&mut self) -> Result<Vec<GroupDifferences>, StudyError> {
        let reference = self.reference()?;
        let seed = self.options.settings.seed;
        let mut all = Vec::new();
        for by in 0..self.prompts.by.len() {
            let own = differences_by(self.prompts, &reference, Some(by), None, &self.measure, seed);
            all.extend(own?);
        }
        Ok(all)
    }

    /// Every variation's numbers, in order. Asks the model first, unless that was done before.
    pub(crate) fn measured(&mut self) -> Result<Vec<Measured>, StudyError> {
        Ok(self.reference()?.measured.values().cloned().collect())
    }

    /// The answers of the unpruned model, asked once.
    pub(crate) fn reference(&mut self) -> Result<Arc<Reference>, StudyError> {
        if let Some(known) = &self.reference {
            return Ok(known.clone());
        }
        let started = Instant::now();
        let contexts = &self.prompts.contexts;
        let all = |c: usize| self.prompts.places(c, |_| true);
        let count = |c: usize| self.questions.count(&all(c), Names::Everybody);
        let mut places = Vec::new();
        for (c, own) in contexts.iter().enumerate() {
            if !self.store.has(&Piece::Answers(&own.context))? {
                places.extend(all(c));
            }
        }
        let progress = Progress::new("audit", "questions", (0..contexts.len()).map(count).sum())
            .within(self.most_tokens(&places, Names::Everybody));
        for (c, own) in contexts.iter().enumerate() {
            let piece = Piece::Answers(&own.context);
            if self.store.has(&piece)? {
                progress.known(count(c));
                continue;
            }
            let (decoding, threads) = (self.options.settings.decoding, self.options.threads);
            let done = |questions| progress.done(questions);
            let answers = self.questions.ask(
                &self.model,
                &all(c),
                Names::Everybody,
                decoding,
                threads,
                &done,
            )?;
            self.store.put(&piece, answers.into_values().collect::<Vec<_>>())?;
        }
        progress.finish();
        self.keep_perplexity(None)?;
        let reference = Arc::new(Reference::read(&self.store, self.prompts, &self.measure)?);
        self.phase("audit", started);
        Ok(self.reference.insert(reference).clone())
    }

    /// The most tokens that answers to these questions may take. A choice takes few.
    pub(super) fn most_tokens(&self, places: &[VariationIndex], names: Names) -> u64 {
        let settings = &self.options.settings;
        let each = match settings.decoding {
            Decoding::Exact { tokens, .. } => tokens,
            Decoding::Sampled { samples, .. } => samples as usize * settings.max_new_tokens,
            Decoding::Greedy => settings.max_new_tokens,
        };
        let open = |&&(c, v): &&VariationIndex| {
            self.prompts.contexts[c].variations[v].form.kind() != Kind::Choice
        };
        let open: Vec<VariationIndex> = places.iter().filter(open).copied().collect();
        (each * self.questions.count(&open, names)) as u64
    }

    pub(crate) fn keep_perplexity(&self, change: Option<&str>) -> Result<(), StudyError> {
        let piece = Piece::Perplexity(change);
        if self.store.has(&piece)? {
            return Ok(());
        }
        self.store.put(&piece, perplexity(&self.model, &self.options.neutral)?)
    }

    /// Whether everything about a changed model is known.
    pub(crate) fn known(&self, change: &str, tests: &[Test]) -> Result<bool, StudyError> {
        for test in tests {
            if !self.store.has(&Piece::Tested(change, named(self.prompts, &test.places)))? {
                return Ok(false);
            }
        }
        self.store.has(&Piece::Perplexity(Some(change)))
    }
}

impl<R: Respond + Sync> Audit<'_, R> {
    /// Asks the present model whatever is not yet known of it, this many tests side by side.
    pub(super) fn ask_changed(
        &self,
        change: &str,
        tests: &[Test],
        reference: &Reference,
        side_by_side: usize,
    ) -> Result<(), StudyError> {
        let (names, decoding) = (self.prompts.tested(), self.options.settings.decoding);
        let piece = |test: &Test| Piece::Tested(change, named(self.prompts, &test.places));
        let mut missing: Vec<&Test> = Vec::new();
        for test in tests {
            if !self.store.has(&piece(test))? {
                missing.push(test);
            }
        }
        // Tests are too small to keep several threads busy to their end, but there are several.
        let side_by_side = side_by_side.min(missing.len()).max(1);
        let threads = self.options.threads / side_by_side;
        in_threads(
            side_by_side,
            |_| (),
            &missing,
            |(), test| {
                let answers = self.questions.ask(
                    &self.model,
                    &test.places,
                    names,
                    decoding,
                    threads.max(1),
                    &|_| {},
                )?;
                let reduced = answers.into_iter().map(|(place, own)| {
                    let said = own.said(names, self.measure.sampled);
                    self.measure.reduce(said, reference.fences[&place].as_ref())
                });
                self.store.put(&piece(test), reduced.collect::<Result<Vec<_>, _>>()?)
            },
        )?;
        self.keep_perplexity(Some(change))
    }
}
