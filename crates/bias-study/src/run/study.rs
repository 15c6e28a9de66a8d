use std::sync::Arc;
use std::time::Instant;

use bias_attrib::Contrast;
use bias_mask::MaskError;
use bias_model::LanguageModel;
use bias_probe::device::computed_in;
use bias_probe::{HookedModel as _, Sequence, Weights};
use burn::tensor::DType;
use burn::tensor::backend::{AutodiffBackend, Backend};
use sha2::{Digest as _, Sha256};

use super::memory::peak_memory;
use super::options::StudyOptions;
use super::progress::Progress;
use crate::StudyError;
use crate::ask::Questionnaire;
use crate::find::{Candidate, Finding, KnownGap, Method, Seen};
use crate::hash::{hex, sha256_of_file};
use crate::plan::{focus, tests};
use crate::prompts::{Place, PromptSet};
use crate::results::{ModelInfo, Outcome, Phase, Plan, Results, Scope, Split, Strategy, Timing};
use crate::save::write;
use crate::statistics::{Measure, Reference, Tested, assemble};
use crate::store::{PROMPTS, Program, Provenance, Run, Store};

/// One model, one set of prompts: audits it, finds what carries the bias, prunes that,
/// and audits again everywhere.
///
/// `A` is the autodiff backend that the signed gap needs; everything else runs on its
/// inner backend.
///
/// With a folder in its [`StudyOptions`], every piece of work is kept there when it is done, and a study that was stopped
/// goes on where it was.
pub struct Study<'a, A: AutodiffBackend> {
    pub(crate) model: LanguageModel<A::InnerBackend>,
    pub(crate) prompts: &'a PromptSet,
    pub(crate) options: StudyOptions,
    pub(crate) store: Store,
    provenance: Provenance,
    pub(super) measure: Measure,
    pub(crate) questions: Questionnaire<'a>,
    phases: Vec<Phase>,
    /// The unpruned model, once it was asked.
    pub(super) reference: Option<Arc<Reference>>,
    /// Neutral text that attribution may look at; perplexity is that of other text.
    pub(crate) guard: Vec<Sequence>,
}

/// How a model is run, beside its weights.
fn run<B: Backend>(model: &LanguageModel<B>) -> Result<Run, StudyError> {
    let path = model.text().tokenizer_file();
    let first = model.model().dims().projections().next();
    let weights =
        first.map(|(path, ..)| Weights::weight(model.model(), &path)).transpose().map_err(MaskError::from)?;
    Ok(Run {
        config: hex(&Sha256::digest(model.model().config().to_json().to_string())),
        tokenizer: sha256_of_file(path).map_err(|source| StudyError::Read { path: path.into(), source })?,
        weights: weights.map_or(String::new(), |weight| format!("{:?}", weight.dtype())),
        stop: model.options().stop.clone(),
        batch_rows: model.options().batch_rows,
    })
}

impl<A: AutodiffBackend> std::fmt::Debug for Study<'_, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Study")
            .field("provenance", &self.provenance)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// What tensors are computed with, and how if otherwise than usual.
fn backend<B: Backend>(device: &B::Device, select_on_device: bool) -> String {
    let mut name = B::name(device);
    let dtype = computed_in::<B>(device);
    if dtype != DType::F32 {
        name += &format!(" in {}", dtype.name());
    }
    if select_on_device {
        name += ", selecting there";
    }
    name
}

/// Every second neutral text guards what pursuits prune; the others stay, to be measured.
///
/// # Errors
/// [`StudyError::ShortNeutral`] for a text that could do neither.
fn guarding<B: Backend>(
    model: &LanguageModel<B>,
    neutral: &mut Vec<String>,
) -> Result<Vec<Sequence>, StudyError> {
    let (mut guard, mut measured) = (Vec::new(), Vec::new());
    for (i, text) in std::mem::take(neutral).into_iter().enumerate() {
        let tokens = model.text().plain(&text)?;
        if tokens.len() < 2 {
            return Err(StudyError::ShortNeutral { line: i + 1, text, tokens: tokens.len() });
        }
        if i % 2 == 1 {
            guard.push(tokens);
        } else {
            measured.push(text);
        }
    }
    if guard.is_empty() && !measured.is_empty() {
        eprintln!("one neutral text is measured, and none is left to guard what is pruned: give two or more");
    }
    *neutral = measured;
    Ok(guard)
}

impl<'a, A: AutodiffBackend> Study<'a, A> {
    /// Takes a loaded model (called `name` in the results) and the prompts to ask it.
    ///
    /// # Errors
    /// [`StudyError::Prompt`] for a prompt the tokenizer cannot take, [`StudyError::ShortNeutral`] for a neutral
    /// text of one token, settings that are impossible;
    /// [`StudyError::OtherStudy`] or [`StudyError::Busy`] for a folder that another study has.
    pub fn new(
        mut model: LanguageModel<A::InnerBackend>,
        name: &str,
        prompts: &'a PromptSet,
        mut options: StudyOptions,
    ) -> Result<Self, StudyError> {
        options.settings.sampling = model.options().sampling;
        options.settings.max_new_tokens = model.options().max_new_tokens;
        model.options_mut().threads = options.threads.max(1);
        let questions = Questionnaire::new(&model, prompts, &options.settings)?;
        let measure = Measure::new(&options.settings)?;
        let neutral = options.neutral.iter().fold(Sha256::new(), |hash, text| {
            hash.chain_update((text.len() as u64).to_le_bytes()).chain_update(text)
        });
        let provenance = Provenance {
            format: Provenance::FORMAT.into(),
            program: Program::this(backend::<A::InnerBackend>(
                &model.model().device(),
                options.select_on_device,
            )),
            model: ModelInfo {
                name: name.into(),
                fingerprint: bias_model::MaskTarget::fingerprint(model.model()).unwrap_or_default().into(),
                dims: *model.model().dims(),
            },
            run: run(&model)?,
            prompts: prompts.sha256.clone(),
            questions: questions.digest(),
            neutral: hex(&neutral.finalize()),
            settings: options.settings.clone(),
            focus: focus(prompts, options.focus.clone()),
        };
        let store = match &options.out {
            None => Store::in_memory(&provenance),
            Some(folder) => {
                let store = Store::open(folder, &provenance, options.shard)?;
                let path = folder.join(PROMPTS);
                let json = serde_json::to_vec(prompts)
                    .map_err(|e| StudyError::Write { path: path.clone(), source: e.into() })?;
                write(&path, &json)?;
                store
            }
        };
        let guard = guarding(&model, &mut options.neutral)?;
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
            guard,
        })
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &LanguageModel<A::InnerBackend> {
        &self.model
    }

    /// The model, to prune it by hand. What was known of it is forgotten, and nothing more is kept in the study's folder.
    pub fn model_mut(&mut self) -> &mut LanguageModel<A::InnerBackend> {
        self.reference = None;
        self.store = Store::in_memory(&self.provenance);
        &mut self.model
    }

    /// What decides this study's numbers.
    #[must_use]
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// Where the time went so far.
    #[must_use]
    pub fn timing(&self) -> Timing {
        Timing { phases: self.phases.clone(), peak_memory_bytes: peak_memory() }
    }

    /// Asks the prompts of a context's attribution variations about the names that attribution may see: one contrast of the two
    /// groups per variation, for any [`Attribution`](bias_attrib::Attribution).
    ///
    /// # Errors
    /// A failed forward pass.
    pub fn contrasts(&self, context: usize) -> Result<Vec<Contrast>, StudyError> {
        let places = self.prompts.places(context, |v| v.split == Split::Attribution);
        let seen = self.prompts.attributed();
        let progress = Progress::new("ask", "questions", self.questions.count(&places, seen));
        let (decoding, threads) = (self.options.settings.decoding, self.options.threads);
        let done = |questions| progress.done(questions);
        let answers = self.questions.ask(&self.model, &places, seen, decoding, threads, &done)?;
        progress.finish();
        answers.iter().map(|(place, own)| self.questions.contrast(*place, own)).collect()
    }

    /// What a [`Method`](crate::Method) finds from a context's attribution variations, to prune at most `share` of all weights.
    ///
    /// # Errors
    /// As [`contrasts`](Self::contrasts); nothing to attribute.
    pub fn find(&self, method: &Method<A>, context: usize, share: f64) -> Result<Finding, StudyError> {
        method.find(&self.seen(&self.contrasts(context)?, self.weights(share)))
    }

    /// Passes worth running at the same time: a model that is read from its file layer by layer
    /// spreads one over all threads instead.
    pub(crate) fn side_by_side(&self) -> usize {
        if self.model.model().is_streamed() { 1 } else { self.options.threads }
    }

    /// Prunes, asks the names and variations that the mask is to be tested on, and restores the
    /// model. The unpruned model is asked first, once; masks that were tested before are not asked again.
    ///
    /// # Errors
    /// As [`audit`](Self::audit); a mask that does not fit.
    pub fn test(&mut self, candidate: &Candidate) -> Result<(Strategy, Vec<Outcome>), StudyError> {
        self.test_in(candidate, |_| true)
    }

    /// The same, but only in scopes that are wanted.
    pub(crate) fn test_in(
        &mut self,
        candidate: &Candidate,
        wanted: impl Fn(Scope) -> bool,
    ) -> Result<(Strategy, Vec<Outcome>), StudyError> {
        let reference = self.reference()?;
        let mut strategy = candidate.strategy(self.model.model().dims());
        let mut tests = tests(self.prompts, &candidate.trained_on);
        tests.retain(|test| wanted(test.scope));
        let digest = strategy.mask.clone();
        self.with_mask(&candidate.mask, &digest, &tests, &reference)?;
        let tested = Tested::read(&self.store, self.prompts, &digest, &tests)?;
        strategy.perplexity_change = tested.perplexity_change;
        let outcomes = tested.outcomes(&strategy.id, &tests, &reference, self.prompts, &self.measure);
        Ok((strategy, outcomes))
    }

    /// What attribution may see of a context, from the unpruned model's answers.
    pub(crate) fn known_contrasts(&mut self, context: usize) -> Result<Vec<Contrast>, StudyError> {
        let reference = self.reference()?;
        let places = self.prompts.places(context, |v| v.split == Split::Attribution);
        places.iter().map(|place| self.contrast(*place, &reference)).collect()
    }

    pub(crate) fn contrast(&self, place: Place, reference: &Reference) -> Result<Contrast, StudyError> {
        self.questions.contrast(place, &reference.answers[&place])
    }

    /// What methods may look at.
    pub(crate) fn seen<'s>(&'s self, contrasts: &'s [Contrast], budget: usize) -> Seen<'s, A> {
        Seen {
            model: self.model.model(),
            contrasts,
            neutral: &self.guard,
            temperature: self.model.options().sampling.temperature(),
            budget,
            seed: self.options.settings.seed,
            threads: self.side_by_side(),
            select_on_device: self.select_on_device(),
            gap: KnownGap::default(),
        }
    }

    pub(crate) fn select_on_device(&self) -> bool {
        self.options.select_on_device
    }

    pub(crate) fn seed(&self) -> u64 {
        self.options.settings.seed
    }

    /// A share of all prunable weights as their number.
    pub(crate) fn weights(&self, share: f64) -> usize {
        (share * self.model.model().dims().prunable_weights() as f64) as usize
    }

    /// How much is tried.
    #[must_use]
    pub fn plan(&self) -> Plan {
        self.options.plan
    }

    /// Chooses how much is tried: what is done by then is kept and counts for any plan.
    pub fn set_plan(&mut self, plan: Plan) {
        self.options.plan = plan;
    }

    /// The whole study; goes on with one that was begun in its folder.
    ///
    /// # Errors
    /// See [`StudyError`].
    pub fn run(&mut self) -> Result<Results, StudyError> {
        if let Some(shard) = self.options.shard {
            return Err(StudyError::OnlyAPart { shard });
        }
        self.work()?;
        let started = Instant::now();
        let experiments = &self.options.experiments;
        let results = assemble(self.prompts, &self.provenance, experiments, self.options.plan, &self.store)?;
        self.phase("statistics", started);
        Ok(results)
    }

    pub(crate) fn phase(&mut self, name: &str, started: Instant) {
        let seconds = started.elapsed().as_secs_f64();
        match self.phases.iter_mut().find(|phase| phase.name == name) {
            Some(phase) => phase.seconds += seconds,
            None => self.phases.push(Phase { name: name.into(), seconds }),
        }
    }
}
