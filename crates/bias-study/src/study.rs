use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use bias_attrib::Contrast;
use bias_core::{Context, UnitKind};
use bias_mask::{Intervention, Mask};
use bias_model::LanguageModel;
use bias_probe::{HookedModel as _, Sequence};
use burn::tensor::backend::AutodiffBackend;
use indicatif::ProgressBar;
use rayon::prelude::*;

use crate::asking::{Names, Place, Questionnaire};
use crate::baseline::{Reference, prompt_info};
use crate::candidate::Candidate;
use crate::locate::locate;
use crate::measure::Measure;
use crate::memory::peak_memory;
use crate::methods::KnownGap;
use crate::outcome::{Pruned, Test};
use crate::overlaps::overlaps;
use crate::parallel::in_parallel;
use crate::perplexity::perplexity;
use crate::progress::bar;
use crate::prompts::PromptSet;
use crate::results::{
    Baseline, FORMAT, ModelInfo, Outcome, Phase, Results, Scope, Split, Strategy, TrainedOn,
};
use crate::strategies::{Evidence, PURSUIT_BUDGET, attribute, head_masks, pursuit_masks, weight_masks};
use crate::{Finding, Method, Seen, StudyError, StudyOptions};

/// One model, one set of prompts: audits it, finds what carries the bias, prunes that,
/// and audits again everywhere.
///
/// `A` is the autodiff backend that the signed gap needs; everything else runs on its
/// inner backend.
pub struct Study<'a, A: AutodiffBackend> {
    model: LanguageModel<A::InnerBackend>,
    name: String,
    prompts: &'a PromptSet,
    options: StudyOptions,
    measure: Measure,
    questions: Questionnaire<'a>,
    phases: Vec<Phase>,
    /// The unpruned model, once it was asked.
    reference: Option<Arc<Reference>>,
    /// Its perplexity on neutral text, where there is any.
    neutral: Option<f64>,
    /// Neutral text that attribution may look at; perplexity is that of other text.
    guard: Vec<Sequence>,
    /// Pruned models by the digest of their mask: different methods find the same mask.
    tested: HashMap<String, Pruned>,
}

impl<A: AutodiffBackend> std::fmt::Debug for Study<'_, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Study")
            .field("name", &self.name)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl<'a, A: AutodiffBackend> Study<'a, A> {
    /// Takes a loaded model (called `name` in the results) and the prompts to ask it.
    ///
    /// # Errors
    /// [`StudyError::Prompt`] for a prompt the tokenizer cannot take, settings that are impossible.
    pub fn new(
        mut model: LanguageModel<A::InnerBackend>,
        name: &str,
        prompts: &'a PromptSet,
        mut options: StudyOptions,
    ) -> Result<Self, StudyError> {
        options.settings.sampling = model.options().sampling;
        options.settings.max_new_tokens = model.options().max_new_tokens;
        model.options_mut().threads = options.threads.max(1);
        let questions = Questionnaire::new(&model, prompts)?;
        // Every second text guards, the others measure.
        let texts = std::mem::take(&mut options.neutral).into_iter().enumerate();
        let (guard, measured): (Vec<_>, Vec<_>) = texts.partition(|(i, _)| i % 2 == 1);
        options.neutral = measured.into_iter().map(|(_, text)| text).collect();
        let guard = guard.iter().map(|(_, text)| model.text().plain(text)).collect::<Result<_, _>>()?;
        let measure = Measure::new(&options.settings)?;
        Ok(Self {
            model,
            name: name.into(),
            prompts,
            options,
            measure,
            questions,
            phases: Vec::new(),
            reference: None,
            neutral: None,
            guard,
            tested: HashMap::new(),
        })
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &LanguageModel<A::InnerBackend> {
        &self.model
    }

    /// The model, to prune it by hand. What was known of it is forgotten.
    pub fn model_mut(&mut self) -> &mut LanguageModel<A::InnerBackend> {
        self.reference = None;
        self.tested.clear();
        &mut self.model
    }

    /// Asks the prompts of a context's attribution variations about the names that attribution may see: one contrast of the two
    /// groups per variation, for any [`Attribution`](bias_attrib::Attribution).
    ///
    /// # Errors
    /// A failed forward pass.
    pub fn contrasts(&self, context: usize) -> Result<Vec<Contrast>, StudyError> {
        let places = self.questions.places(context, |v| v.split == Split::Attribution);
        let bar = bar("ask", places.len() as u64);
        let seen = self.prompts.attributed();
        let answers = self.questions.ask(&self.model, &places, seen, self.options.settings.decoding, &bar)?;
        bar.finish_and_clear();
        Ok(answers.iter().map(|(place, own)| self.questions.contrast(*place, own)).collect())
    }

    /// What a [`Method`](crate::Method) finds from a context's attribution variations, to prune at most `share` of all weights.
    ///
    /// # Errors
    /// As [`contrasts`](Self::contrasts); nothing to attribute.
    pub fn find(&self, method: &Method<A>, context: usize, share: f64) -> Result<Finding, StudyError> {
        let budget = (share * self.model.model().dims().prunable_weights() as f64) as usize;
        method.find(&self.seen(&self.contrasts(context)?, budget))
    }

    /// Asks the model, as it is now, everything.
    ///
    /// # Errors
    /// A failed forward pass, or answers that never state a number.
    pub fn audit(&mut self) -> Result<Vec<Baseline>, StudyError> {
        self.ask_everything()?.baselines(self.prompts, &self.measure)
    }

    /// Prunes, asks the names and variations that the mask is to be tested on, and restores the
    /// model. The unpruned model is asked first, once; masks that were tested before are not asked again.
    ///
    /// # Errors
    /// As [`audit`](Self::audit); a mask that does not fit.
    pub fn test(&mut self, candidate: &Candidate) -> Result<(Strategy, Vec<Outcome>), StudyError> {
        self.test_in(candidate, true)
    }

    /// The same, but in other contexts only if wanted.
    pub(crate) fn test_in(
        &mut self,
        candidate: &Candidate,
        elsewhere: bool,
    ) -> Result<(Strategy, Vec<Outcome>), StudyError> {
        let reference = self.reference()?;
        self.outcomes(candidate, &reference, elsewhere)
    }

    /// The unpruned model in every context, asked once.
    pub(crate) fn baselines(&mut self) -> Result<Vec<Baseline>, StudyError> {
        self.reference()?.baselines(self.prompts, &self.measure)
    }

    /// What attribution may see of a context, from the unpruned model's answers.
    pub(crate) fn known_contrasts(&mut self, context: usize) -> Result<Vec<Contrast>, StudyError> {
        let reference = self.reference()?;
        let places = self.questions.places(context, |v| v.split == Split::Attribution);
        Ok(places.iter().map(|p| self.questions.contrast(*p, &reference.answers[p])).collect())
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
            threads: self.options.threads,
            gap: KnownGap::default(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn seed(&self) -> u64 {
        self.options.settings.seed
    }

    /// The whole study.
    ///
    /// # Errors
    /// See [`StudyError`]; nothing is written but masks, and only if a folder was given.
    pub fn run(mut self) -> Result<Results, StudyError> {
        let reference = self.reference()?;
        let baseline = reference.baselines(self.prompts, &self.measure)?;
        let neutral_perplexity = self.neutral;
        let candidates = self.candidates(&reference)?;

        let started = Instant::now();
        let bar = bar("prune and audit", candidates.len() as u64);
        let dims = *self.model.model().dims();
        let (mut strategies, mut outcomes, mut locations) = (Vec::new(), Vec::new(), Vec::new());
        for candidate in &candidates {
            let (strategy, own) = self.outcomes(candidate, &reference, true)?;
            if !matches!(candidate.trained_on, TrainedOn::Variation(..))
                && !candidate.method.starts_with("random")
            {
                locations.extend(locate(&strategy.id, &candidate.mask, &dims));
            }
            if let Some(folder) = &self.options.masks
                && !matches!(candidate.trained_on, TrainedOn::Variation(..))
            {
                self.keep(folder, &strategy, &candidate.mask)?;
            }
            strategies.push(strategy);
            outcomes.extend(own);
            bar.inc(1);
        }
        bar.finish_and_clear();
        self.phase("prune and audit again", started);
        let overlaps = overlaps(&candidates)?;
        Ok(Results {
            format: FORMAT.into(),
            model: ModelInfo {
                name: self.name,
                fingerprint: bias_model::MaskTarget::fingerprint(self.model.model())
                    .unwrap_or_default()
                    .into(),
                dims,
            },
            prompts: prompt_info(self.prompts),
            settings: self.options.settings,
            focus: focus(self.prompts, self.options.focus),
            baseline,
            neutral_perplexity,
            strategies,
            outcomes,
            overlaps,
            locations,
            phases: self.phases,
            peak_memory_bytes: peak_memory(),
        })
    }

    fn phase(&mut self, name: &str, started: Instant) {
        self.phases.push(Phase { name: name.into(), seconds: started.elapsed().as_secs_f64() });
    }

    fn reference(&mut self) -> Result<Arc<Reference>, StudyError> {
        if let Some(known) = &self.reference {
            return Ok(known.clone());
        }
        let reference = Arc::new(self.ask_everything()?);
        self.neutral = perplexity(&self.model, &self.options.neutral)?;
        Ok(self.reference.insert(reference).clone())
    }

    fn ask_everything(&mut self) -> Result<Reference, StudyError> {
        let started = Instant::now();
        let places = self.questions.everywhere();
        let bar = bar("audit", places.len() as u64);
        let decoding = self.options.settings.decoding;
        let answers = self.questions.ask(&self.model, &places, Names::Everybody, decoding, &bar)?;
        bar.finish_and_clear();
        let reference = Reference::new(answers, self.prompts, &self.measure)?;
        self.phase("audit", started);
        Ok(reference)
    }

    /// Every mask to try: per variation, per context, and for all contexts together.
    fn candidates(&mut self, reference: &Reference) -> Result<Vec<Candidate>, StudyError> {
        let started = Instant::now();
        let quick = self.options.settings.quick;
        let focus = focus(self.prompts, self.options.focus.clone());
        let contexts: Vec<usize> = (0..self.prompts.contexts.len())
            .filter(|c| !quick || focus.contains(&self.prompts.contexts[*c].context))
            .collect();
        let seen = |&c: &usize| self.questions.places(c, |v| v.split == Split::Attribution);
        let all: Vec<Place> = contexts.iter().flat_map(seen).collect();
        let bar = bar("attribute", all.len() as u64);
        let contrast = |place: Place| self.questions.contrast(place, &reference.answers[&place]);
        let temperature = self.model.options().sampling.temperature();
        let evidence = in_parallel(self.options.threads, &all, |&place| {
            let found = attribute::<A>(self.model.model(), &contrast(place), temperature);
            bar.inc(1);
            Ok((place, found?))
        })?;
        let evidence: BTreeMap<Place, Evidence> = evidence.into_iter().collect();
        bar.finish_and_clear();

        let seed = self.options.settings.seed;
        let model = self.model.model();
        let pursued = (PURSUIT_BUDGET * model.dims().prunable_weights() as f64) as usize;
        let mut candidates = Vec::new();
        for &c in &contexts {
            let own = &self.prompts.contexts[c];
            let own_places: Vec<Place> = all.iter().copied().filter(|p| p.0 == c).collect();
            if !quick {
                for place in own_places.iter().take(PROMPT_SPECIFIC) {
                    let variation = own.variations[place.1].name.clone();
                    let trained_on = TrainedOn::Variation(own.context.clone(), variation);
                    let masks = weight_masks::<A>(model, &[&evidence[place]], &trained_on, seed)?;
                    let heads = head_masks::<A>(&self.model, &contrast(*place), &trained_on, seed)?;
                    let middle = heads.get(heads.len() / 2).map(|m| m.budget.clone()).unwrap_or_default();
                    // One budget per method is enough to see how far one prompt's mask carries.
                    candidates.extend(masks.into_iter().chain(heads).filter(|m| match m.method.as_str() {
                        "wanda-b-a" => true,
                        "signed-gap" => m.budget == "0.2%",
                        "head-attention" => m.budget == middle,
                        _ => false,
                    }));
                }
            }
            let found: Vec<&Evidence> = own_places.iter().map(|p| &evidence[p]).collect();
            let trained_on = TrainedOn::Context(own.context.clone());
            candidates.extend(weight_masks::<A>(model, &found, &trained_on, seed)?);
            let seen: Vec<Contrast> = own_places.iter().map(|p| contrast(*p)).collect();
            candidates.extend(pursuit_masks(&self.seen(&seen, pursued), &trained_on)?);
            let pooled = Contrast::pooled(&seen);
            candidates.extend(head_masks::<A>(&self.model, &pooled, &trained_on, seed)?);
        }
        if !quick && contexts.len() > 1 {
            let found: Vec<&Evidence> = all.iter().map(|p| &evidence[p]).collect();
            candidates.extend(weight_masks::<A>(model, &found, &TrainedOn::All, seed)?);
            let seen: Vec<Contrast> = all.iter().map(|p| contrast(*p)).collect();
            candidates.extend(pursuit_masks(&self.seen(&seen, pursued), &TrainedOn::All)?);
            let pooled = Contrast::pooled(&seen);
            candidates.extend(head_masks::<A>(&self.model, &pooled, &TrainedOn::All, seed)?);
        }
        if quick {
            candidates.retain(|c| {
                QUICK.contains(&(c.method.as_str(), c.budget.as_str())) || c.unit == UnitKind::Head
            });
        }
        self.phase("attribute", started);
        Ok(candidates)
    }

    /// Prunes, asks again where it matters, and restores the model.
    fn outcomes(
        &mut self,
        candidate: &Candidate,
        reference: &Reference,
        elsewhere: bool,
    ) -> Result<(Strategy, Vec<Outcome>), StudyError> {
        let (id, mut tests) = self.tests(&candidate.trained_on);
        tests.retain(|test| elsewhere || test.scope != Scope::CrossContext);
        let id = format!("{id}/{}/{}", candidate.method, candidate.budget);

        let digest = candidate.mask.digest();
        let mut known = self.tested.remove(&digest).unwrap_or_default();
        let places: Vec<Place> = tests.iter().flat_map(|test| test.places.iter().copied()).collect();
        self.ask_pruned(&candidate.mask, &places, reference, &mut known)?;
        let perplexity_change = match (self.neutral, known.perplexity) {
            (Some(before), Some(after)) => Some(after / before - 1.0),
            _ => None,
        };

        let dims = self.model.model().dims();
        let weights = candidate.mask.count();
        let strategy = Strategy {
            id: id.clone(),
            method: candidate.method.clone(),
            unit: candidate.unit,
            trained_on: candidate.trained_on.clone(),
            budget: candidate.budget.clone(),
            weights,
            share: weights as f64 / dims.prunable_weights() as f64,
            mask: digest.clone(),
            perplexity_change,
        };
        let (measure, prompts) = (&self.measure, self.prompts);
        let own = tests.iter().find(|test| test.scope == Scope::HeldOut);
        let outcomes = tests
            .par_iter()
            .map(|test| test.outcome(&id, own, &known, reference, prompts, measure))
            .collect();
        self.tested.insert(digest, known);
        Ok((strategy, outcomes))
    }

    /// What a mask is called by after what it was made from, and where it is tested.
    fn tests(&self, trained_on: &TrainedOn) -> (String, Vec<Test>) {
        let of = |c, split| self.questions.places(c, move |v| v.split == split);
        let contexts = 0..self.prompts.contexts.len();
        let held_out = |scope, context| Test { scope, context, places: of(context, Split::HeldOut) };
        let index = |context: &Context| self.prompts.index_of(context.as_str());
        let (id, mut tests): (String, Vec<Test>) = match trained_on {
            TrainedOn::Variation(context, variation) => {
                let Some(own) = index(context) else { return (context.to_string(), Vec::new()) };
                let places = self.questions.places(own, |v| v.name == *variation);
                let test = Test { scope: Scope::PromptSpecific, context: own, places };
                (format!("{context}:{variation}"), vec![test])
            }
            TrainedOn::Context(context) => {
                let Some(own) = index(context) else { return (context.to_string(), Vec::new()) };
                let seen =
                    Test { scope: Scope::Attributed, context: own, places: of(own, Split::Attribution) };
                let scope = |c| if c == own { Scope::HeldOut } else { Scope::CrossContext };
                let others = contexts.map(|c| held_out(scope(c), c));
                (context.to_string(), std::iter::once(seen).chain(others).collect())
            }
            TrainedOn::AllBut(context) => {
                let Some(own) = index(context) else { return (context.to_string(), Vec::new()) };
                (format!("(all but {context})"), vec![held_out(Scope::LeftOut, own)])
            }
            TrainedOn::All => ("(all)".into(), contexts.map(|c| held_out(Scope::All, c)).collect()),
        };
        tests.retain(|test| !test.places.is_empty());
        (id, tests)
    }

    /// Asks the pruned model what is not known of it yet, and restores it.
    fn ask_pruned(
        &mut self,
        mask: &Mask,
        places: &[Place],
        reference: &Reference,
        known: &mut Pruned,
    ) -> Result<(), StudyError> {
        let places: Vec<Place> = places.iter().copied().filter(|p| !known.measured.contains_key(p)).collect();
        if places.is_empty() {
            return Ok(());
        }
        let undo = mask.apply(self.model.model_mut(), Intervention::Zero)?;
        let hidden = ProgressBar::hidden();
        let (names, decoding) = (self.prompts.tested(), self.options.settings.decoding);
        let answers = self.questions.ask(&self.model, &places, names, decoding, &hidden);
        let perplexity = perplexity(&self.model, &self.options.neutral);
        undo.revert(self.model.model_mut())?;
        known.perplexity = perplexity?;
        for (place, own) in answers? {
            let fences = reference.fences[&place].as_ref();
            known.measured.insert(place, self.measure.reduce(own.numbers(names), fences)?);
        }
        Ok(())
    }

    fn keep(&self, folder: &std::path::Path, strategy: &Strategy, mask: &Mask) -> Result<(), StudyError> {
        let write = |source| StudyError::Write { path: folder.into(), source };
        std::fs::create_dir_all(folder).map_err(write)?;
        let plain = |c: char| if c.is_ascii_alphanumeric() || ".-%".contains(c) { c } else { '_' };
        let name: String = strategy.id.chars().map(plain).collect();
        let mask = mask
            .clone()
            .for_model(bias_model::MaskTarget::fingerprint(self.model.model()))
            .with_note("strategy", &strategy.id)
            .with_note("prompts", &self.prompts.sha256);
        // Names of contexts that differ in other letters only would meet in one file.
        let digest = strategy.mask.get(..8).unwrap_or_default();
        Ok(mask.save(&folder.join(format!("{name}_{digest}.safetensors")))?)
    }
}

/// Variations of each context that get masks of their own.
const PROMPT_SPECIFIC: usize = 2;

/// The masks of weights that the short form of the study tries.
const QUICK: [(&str, &str); 7] = [
    ("random", "as wanda 15%"),
    ("wanda-b-a", "15%"),
    ("wanda-a-b", "15%"),
    ("signed-gap", "0.05%"),
    ("signed-gap", "0.2%"),
    ("random", "as signed gap 0.2%"),
    ("gap-pursuit", "≤ 1%"),
];

/// The contexts of the named experiments: the paper's, if there are such.
fn focus(prompts: &PromptSet, wanted: Option<[Context; 2]>) -> [Context; 2] {
    wanted.unwrap_or_else(|| {
        let named = |name: &str| prompts.index_of(name);
        let (from, to) = match (named("financial"), named("commercial")) {
            (Some(from), Some(to)) => (from, to),
            _ => (0, 1.min(prompts.contexts.len() - 1)),
        };
        [from, to].map(|c| prompts.contexts[c].context.clone())
    })
}
