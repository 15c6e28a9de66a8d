use std::path::Path;

use bias_probe::Sequence;
use burn::tensor::backend::Backend;

use crate::checkpoint::config::ModelConfig;
use crate::checkpoint::precision::Precision;
use crate::checkpoint::weights::Checkpoint;
use crate::decoder::model::Decoder;
use crate::error::ModelError;
use crate::generate::answers::Answers;
use crate::generate::ask::{ask, decode};
use crate::generate::decoding::{DecodeOptions, Decoding};
use crate::generate::sampling::Sampling;
use crate::question::Question;
use crate::text::codec::TextCodec;

/// Longest answer, unless set otherwise: a number and a few words around it.
const MAX_NEW_TOKENS: usize = 16;
/// Few enough for a processor's caches, and to waste little where one row's tree of answers is wide.
const BATCH_ROWS: usize = 8;

/// How a model is loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// The type that weights are held in.
    pub precision: Precision,
    /// Keys of `config.json` to pass over although nothing is known of them.
    pub accepted_keys: Vec<String>,
    /// A system message before every question.
    pub system: Option<String>,
}

/// A model, loaded: weights, tokenizer, chat template, sampling.
#[derive(Debug)]
pub struct LanguageModel<B: Backend> {
    model: Decoder<B>,
    text: TextCodec,
    options: DecodeOptions,
}

impl<B: Backend> LanguageModel<B> {
    /// Loads a Hugging Face model folder, or a GGUF file.
    ///
    /// # Errors
    /// Whatever is wrong with its files: see [`ModelError`].
    pub fn load(folder: &Path, device: &B::Device) -> Result<Self, ModelError> {
        Self::load_with(folder, &LoadOptions::default(), device)
    }

    /// The same, otherwise than by default.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with(folder: &Path, options: &LoadOptions, device: &B::Device) -> Result<Self, ModelError> {
        let config = ModelConfig::accepting(folder, &options.accepted_keys)?;
        let text = TextCodec::from_folder(folder)?.with_system(options.system.clone());
        text.check_vocabulary(config.dims.vocab)?;
        let (sampling, mut stop) = Sampling::from_folder(folder)?;
        stop.extend(&config.eos);
        stop.sort_unstable();
        stop.dedup();
        let model = Decoder::load(&Checkpoint::open(folder)?, config, options.precision, device)?;
        let options = DecodeOptions {
            sampling,
            stop,
            max_new_tokens: MAX_NEW_TOKENS,
            batch_rows: BATCH_ROWS,
            threads: 1,
        };
        Ok(Self { model, text, options })
    }

    /// The decoder.
    #[must_use]
    pub fn model(&self) -> &Decoder<B> {
        &self.model
    }

    /// The decoder, to apply masks to.
    pub fn model_mut(&mut self) -> &mut Decoder<B> {
        &mut self.model
    }

    /// Tokenizer and chat template.
    #[must_use]
    pub fn text(&self) -> &TextCodec {
        &self.text
    }

    /// Sampling, end tokens and limits: from the folder's `generation_config.json`.
    #[must_use]
    pub fn options(&self) -> &DecodeOptions {
        &self.options
    }

    /// The same, to change.
    pub fn options_mut(&mut self) -> &mut DecodeOptions {
        &mut self.options
    }

    /// Asks every prompt for a free answer.
    ///
    /// # Errors
    /// See [`ask`].
    pub fn answers(&self, prompts: &[Sequence], decoding: Decoding) -> Result<Vec<Answers>, ModelError> {
        decode(&self.model, prompts, decoding, &self.options, |tokens| self.text.decode(tokens))
    }

    /// Asks every question.
    ///
    /// # Errors
    /// See [`ask`].
    pub fn ask(&self, questions: &[Question], decoding: Decoding) -> Result<Vec<Answers>, ModelError> {
        ask(&self.model, questions, decoding, &self.options, |tokens| self.text.decode(tokens), &|_| {})
    }
}
