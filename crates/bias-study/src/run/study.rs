use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::time::Instant;

use bias_ask::Tokenize;
use bias_attrib::{AttribError, Contrast};
use bias_mask::{Intervention, Mask};
use bias_model::{Decoder, LanguageModel, TextCodec};
use bias_probe::Sequence;
use burn::tensor::backend::AutodiffBackend;

use super::audit::{Audit, guards};
use super::options::StudyOptions;
use super::progress::Progress;
use crate::StudyError;
use crate::ask::VariationAnswers;
use crate::find::{Candidate, Finding, KnownGap, Method, MethodInput};
use crate::plan::{Test, tests};
use crate::prompts::{PromptSet, VariationIndex};
use crate::results::{Alternative, Outcome, PURSUIT_SHARE, Plan, Results, Scope, Split, Strategy};
use crate::statistics::{Reference, Tested, assemble};
use crate::store::{ItemNames, KeptItems};
use crate::studied::Studied;
use crate::treat::{Treated, Treatment, questions, treat};

/// One model and one set of prompts: audits the model, finds the parts that carry the bias, prunes
/// them, and audits again everywhere.
///
/// `A` is the autodiff backend that the signed gap needs; everything else runs on its inner
/// backend. The model is any that is [`Studied`], with any tokenizer; the default is that of
/// [`LanguageModel::load`]. A study dereferences to its [`Audit`].
///
/// With a folder in its [`StudyOptions`], every finished piece of work is kept there, and a stopped
/// study continues from it.
pub struct Study<'a, A, M = Decoder<<A as AutodiffBackend>::InnerBackend>, T = TextCodec>
where
    A: AutodiffBackend,
    M: Studied<A>,
    T: Tokenize + Sync,
{
    audit: Audit<'a, LanguageModel<A::InnerBackend, M, T>>,
    /// The neutral text that attribution may see, as tokens.
    guard: Vec<Sequence>,
    /// The names of each set of items that is scored as well.
    pub(crate) also: Vec<ItemNames>,
}

impl<A: AutodiffBackend, M: Studied<A>, T: Tokenize + Sync> std::fmt::Debug for Study<'_, A, M, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Study").field(&self.audit).finish()
    }
}

impl<'a, A: AutodiffBackend, M: Studied<A>, T: Tokenize + Sync> Deref for Study<'a, A, M, T> {
    type Target = Audit<'a, LanguageModel<A::InnerBackend, M, T>>;

    fn deref(&self) -> &Self::Target {
        &self.audit
    }
}

impl<A: AutodiffBackend, M: Studied<A>, T: Tokenize + Sync> DerefMut for Study<'_, A, M, T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.audit
    }
}

/// The neutral texts that guard what pursuits prune. The others are for perplexity.
///
/// # Errors
/// [`StudyError::ShortNeutral`] for a text that is too short for either.
fn guarding(tokenizer: &impl Tokenize, neutral: &[String]) -> Result<Vec<Sequence>, StudyError> {
    let mut guard = Vec::new();
    for (i, text) in neutral.iter().enumerate() {
        let tokens = tokenizer.plain(text)?;
        if tokens.len() < 2 {
            return Err(StudyError::ShortNeutral {
                line: i + 1,
                text: text.clone(),
                tokens: tokens.len(),
            });
        }
        if guards(i) {
            guard.push(tokens);
        }
    }
    Ok(guard)
}

impl<'a, A: AutodiffBackend, M: Studied<A>, T: Tokenize + Sync> Study<'a, A, M, T> {
    /// Takes a model with its tokenizer (called `name` in the results) and the prompts.
    ///
    /// # Errors
    /// [`StudyError::ShortNeutral`] for a neutral text of one token; else as [`Audit::new`].
    pub fn new(
        mut model: LanguageModel<A::InnerBackend, M, T>,
        name: &str,
        prompts: &'a PromptSet,
        options: StudyOptions,
    ) -> Result<Self, StudyError> {
        model.options_mut().threads = options.threads.max(1);
        let guard = guarding(model.text(), &options.neutral)?;
        let also = options.also.iter().map(|own| KeptItems::of(own).names());
        let also = also.collect::<Result<_, _>>()?;
        Ok(Self { audit: Audit::new(model, name, prompts, options)?, guard, also })
    }

    /// A warning if there is neutral text, but too little to guard what is pruned.
    pub(super) fn unguarded(&self) -> Option<&'static str> {
        (self.guard.is_empty() && !self.options.neutral.is_empty()).then_some(
            "one neutral text is measured, and none is left to guard what is pruned: give two or more",
        )
    }

    /// Asks the prompts of a context's attribution variations about the names that attribution may
    /// see. Returns one contrast of the two groups per variation, for any
    /// [`Attribution`](bias_attrib::Attribution).
    ///
    /// # Errors
    /// A failed forward pass.
    pub fn contrasts(&self, context: usize) -> Result<Vec<Contrast>, StudyError> {
        self.contrasts_of(&self.ask_attributed(context)?)
    }

    fn ask_attributed(
        &self,
        context: usize,
    ) -> Result<BTreeMap<VariationIndex, VariationAnswers>, StudyError> {
        let places = self.prompts.places(context, |v| v.split == Split::Attribution);
        let names = self.prompts.attributed();
        let progress = Progress::new("ask", "questions", self.questions.count(&places, names))
            .within(self.most_tokens(&places, names));
        let (decoding, threads) = (self.options.settings.decoding, self.options.threads);
        let done = |questions| progress.done(questions);
        let answers = self.questions.ask(&self.model, &places, names, decoding, threads, &done)?;
        progress.finish();
        Ok(answers)
    }

    fn contrasts_of(
        &self,
        answers: &BTreeMap<VariationIndex, VariationAnswers>,
    ) -> Result<Vec<Contrast>, StudyError> {
        answers.iter().map(|(place, own)| self.questions.contrast(*place, own)).collect()
    }

    /// Runs a [`Method`](crate::Method) on a context's attribution variations, to prune at most
    /// `share` of all weights.
    ///
    /// # Errors
    /// As [`contrasts`](Self::contrasts); no gap to attribute; [`StudyError::NoValues`] where in
    /// every variation nobody of a group is answered with what was asked.
    pub fn find(
        &self,
        method: &Method<A, M>,
        context: usize,
        share: f64,
    ) -> Result<Finding, StudyError> {
        let answers = self.ask_attributed(context)?;
        let contrasts = self.contrasts_of(&answers)?;
        let found = method.find(&self.method_input(&contrasts, self.weights(share)));
        found.map_err(|error| match error {
            StudyError::Attrib(AttribError::NoValue { .. }) => {
                let all = answers.iter().map(|(place, own)| (*place, own));
                self.questions.without_values(all).unwrap_or(error)
            }
            other => other,
        })
    }

    /// Changes the model by an alternative to pruning, made from these contrasts
    /// ([`contrasts`](Self::contrasts)). The studied model stays as it is.
    ///
    /// What takes long is the whole change; [`weakened`](crate::treat::weakened) makes a weaker one
    /// of it.
    ///
    /// # Errors
    /// No gap to treat; a strength outside 0..=1; [`StudyError::Treatment`] for a strength or a
    /// placebo that the alternative cannot have.
    pub fn treat(
        &self,
        alternative: Alternative,
        contrasts: &[Contrast],
        treatment: &Treatment,
    ) -> Result<Treated<M>, StudyError> {
        let knowledge = match alternative {
            Alternative::KnowledgeNeurons => questions(&self.model)?,
            _ => Vec::new(),
        };
        let input = self.method_input(contrasts, self.weights(PURSUIT_SHARE.value()));
        treat(alternative, &MethodInput { knowledge: &knowledge, ..input }, treatment)
    }

    /// The number of passes worth running at the same time. A model that is read from its file
    /// layer by layer uses all threads for one pass instead.
    pub(crate) fn side_by_side(&self) -> usize {
        if self.model.model().is_streamed() { 1 } else { self.options.threads }
    }

    /// Applies a mask, asks whatever is not yet known, and restores the model.
    pub(crate) fn with_mask(
        &mut self,
        mask: &Mask,
        digest: &str,
        tests: &[Test],
        reference: &Reference,
    ) -> Result<(), StudyError> {
        if self.all_known(digest, tests)? {
            return Ok(());
        }
        let undo = mask.apply(self.model.model_mut(), Intervention::Zero)?;
        let asked = self.ask_all(digest, tests, reference);
        undo.revert(self.model.model_mut())?;
        asked
    }

    /// Whether everything about a changed model is known.
    pub(crate) fn all_known(&self, change: &str, tests: &[Test]) -> Result<bool, StudyError> {
        Ok(self.known(change, tests)? && self.also_known(Some(change))?)
    }

    /// Asks the present model whatever is not yet known of it.
    fn ask_all(
        &self,
        change: &str,
        tests: &[Test],
        reference: &Reference,
    ) -> Result<(), StudyError> {
        self.ask_changed(change, tests, reference, self.side_by_side())?;
        self.score_also(Some(change))
    }

    /// Puts another model in place of the studied one, asks it whatever is not yet known, and puts
    /// the studied one back.
    pub(crate) fn with_model(
        &mut self,
        changed: M,
        change: &str,
        tests: &[Test],
        reference: &Reference,
    ) -> Result<(), StudyError> {
        let studied = std::mem::replace(self.model.model_mut(), changed);
        let asked = self.ask_all(change, tests, reference);
        *self.model.model_mut() = studied;
        asked
    }

    /// Applies a mask, asks about the names and variations that it is to be tested on, and restores
    /// the model. The unpruned model is asked first, once. Masks that were tested before are not
    /// asked again.
    ///
    /// # Errors
    /// As [`Audit::audit`](crate::Audit::audit); a mask that does not fit.
    pub fn test(&mut self, candidate: &Candidate) -> Result<(Strategy, Vec<Outcome>), StudyError> {
        self.test_in(candidate, |_| true)
    }

    /// The same, only in the wanted scopes.
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
        let outcomes =
            tested.outcomes(&strategy.id, &tests, &reference, self.prompts, &self.measure)?;
        Ok((strategy, outcomes))
    }

    /// The contrasts that attribution may see of a context, from the unpruned model's answers.
    pub(crate) fn known_contrasts(&mut self, context: usize) -> Result<Vec<Contrast>, StudyError> {
        let reference = self.reference()?;
        let places = self.prompts.places(context, |v| v.split == Split::Attribution);
        places.iter().map(|place| self.contrast(*place, &reference)).collect()
    }

    pub(crate) fn contrast(
        &self,
        place: VariationIndex,
        reference: &Reference,
    ) -> Result<Contrast, StudyError> {
        self.questions.contrast(place, &reference.answers[&place])
    }

    /// The input of a method.
    pub(crate) fn method_input<'s>(
        &'s self,
        contrasts: &'s [Contrast],
        budget: usize,
    ) -> MethodInput<'s, A, M> {
        MethodInput {
            model: self.model.model(),
            contrasts,
            neutral: &self.guard,
            temperature: self.model.options().sampling.temperature(),
            budget,
            seed: self.options.settings.seed,
            threads: self.side_by_side(),
            select_on_device: self.select_on_device(),
            knowledge: &[],
            gap: KnownGap::default(),
            backend: PhantomData,
        }
    }

    pub(crate) fn select_on_device(&self) -> bool {
        self.options.select_on_device
    }

    pub(crate) fn seed(&self) -> u64 {
        self.options.settings.seed
    }

    /// The number of weights that is a share of all prunable weights.
    pub(crate) fn weights(&self, share: f64) -> usize {
        (share * self.model.model().dims().prunable_weights() as f64) as usize
    }

    /// The extent of the study.
    #[must_use]
    pub fn plan(&self) -> Plan {
        self.options.plan
    }

    /// Chooses the extent of the study. Finished work is kept and counts for any plan.
    pub fn set_plan(&mut self, plan: Plan) {
        self.options.plan = plan;
    }

    /// Runs the whole study. A study that was begun in its folder continues.
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
        let results = assemble(
            self.prompts,
            self.provenance(),
            experiments,
            self.options.plan,
            &self.also.iter().map(|own| own.items.clone()).collect::<Vec<_>>(),
            &self.store,
        )?;
        self.phase("statistics", started);
        Ok(results)
    }
}
