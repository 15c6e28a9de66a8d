use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use bias_ask::generate::{Asking, DecodeOptions, Done, decode};
use bias_ask::likelihood::token_log_probs;
use bias_ask::question::{NumberGrammar, QuestionKind, Word};
use bias_ask::respond::Identity;
use bias_ask::text::{Asked, Wanted};
use bias_ask::{Answering, Answers, AskError, Decoding, Question, Respond, Tokenize};
use bias_probe::device::compute_dtype;
use bias_probe::{Sequence, Weights};
use bias_types::TokenRole;
use burn::tensor::DType;
use burn::tensor::backend::Backend;
use serde_json::Value;

use crate::checkpoint::base::base;
use crate::checkpoint::config::ModelConfig;
use crate::checkpoint::generation::GenerationSettings;
use crate::checkpoint::precision::Precision;
use crate::checkpoint::sampling_options::SamplingOptions;
use crate::checkpoint::weights::Checkpoint;
use crate::decoder::model::Decoder;
use crate::error::ModelError;
use crate::on_disk;
use crate::text::codec::TextCodec;
use crate::text::date::Date;

/// The longest answer by default: a number and a few words around it.
const MAX_NEW_TOKENS: usize = 16;
/// Few enough for a processor's caches, and for wasting little when one row's answer tree is wide.
const BATCH_ROWS: usize = 8;

/// How a model is loaded.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadOptions {
    /// The type of the weights in memory.
    pub precision: Precision,
    /// Keys of `config.json` to ignore although their effect is unknown.
    pub accepted_keys: Vec<String>,
    /// A system message before every question.
    pub system: Option<String>,
    /// Arguments of the chat template, such as `enable_thinking`, by name.
    pub template_arguments: BTreeMap<String, Value>,
    /// The date that the chat template tells the model; today's, in UTC, if absent. A template that
    /// tells none refuses it.
    pub date: Option<Date>,
    /// Sampling other than the checkpoint's.
    pub sampling: SamplingOptions,
}

/// A model with everything that is needed to ask it in words: tokenizer, sampling, limits.
///
/// [`load`](Self::load) makes one from a folder. [`new`](Self::new) makes one from any other
/// [`Answering`] model, with any tokenizer that implements [`Tokenize`].
#[derive(Debug)]
pub struct LanguageModel<B: Backend, M = Decoder<B>, T = TextCodec> {
    model: M,
    text: T,
    options: DecodeOptions,
    begin: Option<u32>,
    /// What its files say of how answers are drawn.
    generation: GenerationSettings,
    notes: Vec<String>,
    /// The tokens that spell numbers, found once.
    numbers: OnceLock<Arc<NumberGrammar>>,
    backend: PhantomData<B>,
}

impl<B: Backend> LanguageModel<B> {
    /// Loads a Hugging Face model folder, or a GGUF file.
    ///
    /// # Errors
    /// Any fault in its files: see [`ModelError`].
    pub fn load(folder: &Path, device: &B::Device) -> Result<Self, ModelError> {
        Self::load_with(folder, &LoadOptions::default(), device)
    }

    /// The same with options.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with(
        folder: &Path,
        options: &LoadOptions,
        device: &B::Device,
    ) -> Result<Self, ModelError> {
        let accepted = &options.accepted_keys;
        let config = ModelConfig::accepting(folder, accepted)?;
        let base = base(folder, accepted)?;
        let root = base.as_deref().unwrap_or(folder);
        // An adapter's own tokenizer counts, where it has one.
        let own = on_disk::exists(&folder.join("tokenizer.json"))?;
        let mut text = TextCodec::from_folder(if own { folder } else { root })?
            .with_system(options.system.clone())
            .told(&options.template_arguments, options.date)?;
        text.check_vocabulary(config.dims.vocab)?;
        let generation = GenerationSettings::from_folder(root, &options.sampling)?;
        // As transformers: the file about generation counts, where it says something.
        let said = generation.stop();
        let mut stop = if said.is_empty() { config.eos.clone() } else { said.to_vec() };
        stop.sort_unstable();
        stop.dedup();
        let (begin, tied) = (config.bos, config.tied);
        let checkpoint = Checkpoint::accepting(folder, accepted)?;
        let model = Decoder::load(&checkpoint, config, options.precision, device)?;
        let mut own = Self::new(model, text).with_begin(begin);
        (own.options.sampling, own.options.stop) = (generation.sampling().clone(), stop);
        if tied && !own.model.config().tied {
            own.notes.push(format!(
                "{}: the config ties the embedding and the output head, but the weights hold two \
                 that differ; both are used, as transformers does",
                folder.display()
            ));
        }
        if let Some(method) = checkpoint.method() {
            own.notes.push(format!(
                "{}: weights are quantized ({method}), and computed with as dequantized; activations \
                 are not quantized",
                root.display()
            ));
        }
        if checkpoint.adapter().is_some() {
            own.notes.push(format!(
                "the adapter in {} is merged into its base, {}",
                folder.display(),
                root.display()
            ));
        }
        own.generation = generation;
        Ok(own)
    }
}

impl<B: Backend, M, T> LanguageModel<B, M, T> {
    /// Combines a model and its tokenizer. Answers are drawn from the model's own distribution and
    /// cut off after 16 tokens. The [options](Self::options_mut) should name the tokens that end an
    /// answer.
    pub fn new(model: M, text: T) -> Self {
        let options = DecodeOptions {
            sampling: bias_ask::Sampling::default(),
            stop: Vec::new(),
            max_new_tokens: MAX_NEW_TOKENS,
            batch_rows: BATCH_ROWS,
            threads: 1,
        };
        Self {
            model,
            text,
            options,
            begin: None,
            generation: GenerationSettings::default(),
            notes: Vec::new(),
            numbers: OnceLock::new(),
            backend: PhantomData,
        }
    }

    /// What the files of a loaded model say of how answers are drawn. If they have settings that
    /// are not computed, the model refuses to answer
    /// ([`GenerationSettings::check`]), except with choices.
    #[must_use]
    pub fn generation(&self) -> &GenerationSettings {
        &self.generation
    }

    /// What a reader of results should know of how a loaded model's weights were read; a sentence
    /// each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Refuses answers that settings would change which are not computed.
    fn check(&self, decoding: Decoding) -> Result<(), ModelError> {
        self.generation.check(!matches!(decoding, Decoding::Greedy))
    }

    /// Sets the token that begins a text.
    #[must_use]
    pub fn with_begin(self, begin: Option<u32>) -> Self {
        Self { begin, ..self }
    }

    /// The token that begins a text, if any.
    #[must_use]
    pub fn begin(&self) -> Option<u32> {
        self.begin
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The model, to apply masks to.
    pub fn model_mut(&mut self) -> &mut M {
        &mut self.model
    }

    /// The tokenizer and the chat template.
    #[must_use]
    pub fn text(&self) -> &T {
        &self.text
    }

    /// Sampling, end tokens and limits: of a loaded model, from its files and
    /// [`LoadOptions::sampling`].
    #[must_use]
    pub fn options(&self) -> &DecodeOptions {
        &self.options
    }

    /// The same, to change them.
    pub fn options_mut(&mut self) -> &mut DecodeOptions {
        &mut self.options
    }
}

impl<B: Backend, M: Answering<B>, T: Tokenize + Sync> LanguageModel<B, M, T> {
    /// Asks every prompt for a free answer.
    ///
    /// # Errors
    /// See [`Answering::ask`] and [`GenerationSettings::check`].
    pub fn answers(
        &self,
        prompts: &[Sequence],
        decoding: Decoding,
    ) -> Result<Vec<Answers>, ModelError> {
        self.check(decoding)?;
        let text = &self.text;
        Ok(decode(&self.model, prompts, decoding, &self.options, |tokens| text.decode(tokens))?)
    }

    /// Asks every question.
    ///
    /// # Errors
    /// See [`Answering::ask`].
    pub fn ask(
        &self,
        questions: &[Question],
        decoding: Decoding,
    ) -> Result<Vec<Answers>, ModelError> {
        Ok(self.respond(questions, decoding, self.options.threads, &|_| {})?)
    }

    fn numbers(&self) -> Result<Arc<NumberGrammar>, AskError> {
        if let Some(known) = self.numbers.get() {
            return Ok(known.clone());
        }
        let found = Arc::new(self.text.number_grammar()?);
        Ok(self.numbers.get_or_init(|| found).clone())
    }
}

impl<B: Backend, M: Answering<B>, T: Tokenize + Sync> Respond for LanguageModel<B, M, T> {
    type Question = Question;

    fn prepare(
        &self,
        asked: &Asked<'_>,
        wanted: Wanted<'_>,
        stream: u64,
    ) -> Result<Question, AskError> {
        let (prompt, kind) = match wanted {
            Wanted::Words => (self.text.question(asked)?, QuestionKind::Free),
            Wanted::Number => (self.text.question(asked)?, QuestionKind::Number(self.numbers()?)),
            Wanted::Choice(choices) => {
                let (prompt, words) = self.text.choice(asked, choices)?;
                (prompt, QuestionKind::Choice(words.into()))
            }
        };
        Ok(Question { prompt, kind, stream })
    }

    /// Its tokens, their roles, and the words that can be chosen, as JSON.
    fn key(&self, question: &Question) -> String {
        let roles: Vec<String> = question.prompt.roles().iter().map(TokenRole::to_string).collect();
        let words: &[Word] = match &question.kind {
            QuestionKind::Choice(words) => words,
            QuestionKind::Free | QuestionKind::Number(_) => &[],
        };
        let words = words.iter().map(|own| {
            let (text, tokens) = (own.text.as_str(), own.tokens.to_vec());
            Value::from(vec![Value::from(own.option), Value::from(text), Value::from(tokens)])
        });
        let words: Vec<Value> = words.collect();
        let tokens = question.prompt.tokens().to_vec();
        Value::from(vec![Value::from(tokens), Value::from(roles), Value::from(words)]).to_string()
    }

    fn written(&self, question: &Question) -> Result<Option<String>, AskError> {
        Ok(Some(self.text.written(question.prompt.tokens())?))
    }

    fn respond(
        &self,
        questions: &[Question],
        decoding: Decoding,
        threads: usize,
        done: &Done<'_>,
    ) -> Result<Vec<Answers>, AskError> {
        let chosen = |own: &Question| matches!(own.kind, QuestionKind::Choice(_));
        if !questions.iter().all(chosen) {
            self.check(decoding)?;
        }
        let (options, text) =
            (DecodeOptions { threads: threads.max(1), ..self.options.clone() }, &self.text);
        let text = |tokens: &[u32]| text.decode(tokens);
        self.model.ask(questions, &Asking { decoding, options: &options, text: &text, done })
    }

    fn options(&self) -> &DecodeOptions {
        &self.options
    }

    fn identity(&self) -> Result<Identity, AskError> {
        let device = self.model.device();
        let dtype = compute_dtype::<B>(&device);
        let mut backend = B::name(&device);
        if dtype != DType::F32 {
            backend += &format!(" in {}", dtype.name());
        }
        let first = self.model.dims().projections().next();
        let first = first.map(|(path, ..)| Weights::weight(&self.model, &path)).transpose()?;
        Ok(Identity {
            fingerprint: self.model.fingerprint()?.unwrap_or_default().into(),
            dims: Some(*self.model.dims()),
            backend,
            configuration: self.model.configuration(),
            tokenizer: self.text.identity()?,
            date: self.text.date(),
            weights: first.map_or(String::new(), |weight| weight.dtype().name().into()),
        })
    }

    fn log_probs(&self, texts: &[String]) -> Result<Option<Vec<Vec<f64>>>, AskError> {
        let mut sequences = Vec::new();
        for text in texts {
            let tokens = self.text.plain(text)?.tokens().to_vec();
            let roles = vec![TokenRole::Prompt; tokens.len()];
            sequences.push(Sequence::chain(tokens, roles)?);
        }
        // One token alone has none.
        let long: Vec<Sequence> = sequences.iter().filter(|own| own.len() > 1).cloned().collect();
        let mut found = token_log_probs(&self.model, &long)?.into_iter();
        let of = |own: &Sequence| {
            if own.len() > 1 { found.next().unwrap_or_default() } else { Vec::new() }
        };
        Ok(Some(sequences.iter().map(of).collect()))
    }
}
