use std::path::Path;

use bias_probe::Sequence;
use burn::tensor::backend::Backend;

use crate::{
    Answers, Checkpoint, DecodeOptions, Decoding, Llama, LlamaConfig, ModelError, Sampling, TextCodec, decode,
};

/// Longest answer, unless set otherwise: a number and a few words around it.
const MAX_NEW_TOKENS: usize = 16;
/// Few enough for a processor's caches, and to waste little where one row's tree of answers is wide.
const BATCH_ROWS: usize = 8;

/// A model folder, loaded: weights, tokenizer, chat template, sampling.
#[derive(Debug)]
pub struct LanguageModel<B: Backend> {
    model: Llama<B>,
    text: TextCodec,
    options: DecodeOptions,
}

impl<B: Backend> LanguageModel<B> {
    /// Loads a Hugging Face model folder.
    ///
    /// # Errors
    /// Whatever is wrong with its files: see [`ModelError`].
    pub fn load(folder: &Path, device: &B::Device) -> Result<Self, ModelError> {
        let config = LlamaConfig::from_folder(folder)?;
        let text = TextCodec::from_folder(folder)?;
        let (sampling, mut stop) = Sampling::from_folder(folder)?;
        stop.extend(&config.eos);
        stop.sort_unstable();
        stop.dedup();
        let model = Llama::load(&Checkpoint::open(folder)?, config, device)?;
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
    pub fn model(&self) -> &Llama<B> {
        &self.model
    }

    /// The decoder, to apply masks to.
    pub fn model_mut(&mut self) -> &mut Llama<B> {
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

    /// Asks every prompt.
    ///
    /// # Errors
    /// See [`decode`].
    pub fn answers(&self, prompts: &[Sequence], decoding: Decoding) -> Result<Vec<Answers>, ModelError> {
        decode(&self.model, prompts, decoding, &self.options, |tokens| self.text.decode(tokens))
    }
}
