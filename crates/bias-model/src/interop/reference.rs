use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bias_ask::generate::{DecodeOptions, decode};
use bias_ask::{Decoding, Sampling};
use bias_files::f32s;
use bias_probe::device::read_back;
use bias_probe::{Capture, HookedModel as _, NoObserver, Sequence, TokenBatch};
use bias_types::{Site, TokenRole};
use burn::tensor::{Tensor, backend::Backend};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensorError, SafeTensors};

use crate::checkpoint::mapped;
use crate::decoder::kv_cache::KvCache;
use crate::decoder::model::Decoder;
use crate::error::ModelError;

/// Transformers' results for a checkpoint, to compare a loaded model with: `expected.safetensors`,
/// as written by `fixtures/golden/make.py`.
///
/// A tensor's name is its prompt and its kind: `0/lm_head.output` and any other [`Site`],
/// `0/greedy` (token ids), `0/bf16` (logits of transformers in bf16).
#[derive(Debug, Clone)]
pub struct Reference {
    path: PathBuf,
    prompts: Vec<Vec<u32>>,
    values: BTreeMap<String, Vec<f32>>,
}

/// The largest absolute differences between a model and its [`Reference`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parity {
    /// Of logits, with each prompt run alone.
    pub logits: f32,
    /// The largest logit, to compare with.
    pub scale: f32,
    /// Of activations and attention patterns, over all recorded sites.
    pub sites: f32,
    /// The site with that difference.
    pub worst_site: Option<Site>,
    /// The number of activations compared.
    pub compared: usize,
    /// Of logits with all prompts padded to one batch.
    pub padded: f32,
    /// Of logits, computed token by token through the cache.
    pub cached: f32,
    /// Of logits from transformers' logits in bf16.
    pub bf16: Option<f32>,
    /// The difference of transformers in bf16 from transformers in f32.
    pub bf16_own: Option<f32>,
    /// The number of greedy continuations that agree, and the number recorded.
    pub greedy: (usize, usize),
}

impl Reference {
    /// Reads the record for these prompts (token ids).
    ///
    /// # Errors
    /// An unreadable or damaged file, [`ModelError::Reference`] for one without logits.
    pub fn load(path: &Path, prompts: Vec<Vec<u32>>) -> Result<Self, ModelError> {
        let damaged = |source: SafeTensorError| ModelError::Weights {
            path: path.into(),
            source: source.into(),
        };
        let map = mapped::once(path)?;
        let mut values = BTreeMap::new();
        for (name, view) in SafeTensors::deserialize(&map).map_err(damaged)?.tensors() {
            if let Some(own) = numbers(&view) {
                values.insert(name, own);
            }
        }
        let own = Self { path: path.into(), prompts, values };
        (0..own.prompts.len()).try_for_each(|i| own.of(i, "lm_head.output").map(drop))?;
        Ok(own)
    }

    /// The prompts.
    #[must_use]
    pub fn prompts(&self) -> &[Vec<u32>] {
        &self.prompts
    }

    /// The record of a prompt under a name, row-major.
    ///
    /// # Errors
    /// [`ModelError::Reference`] if there is none.
    pub fn of(&self, prompt: usize, what: &str) -> Result<&[f32], ModelError> {
        let name = format!("{prompt}/{what}");
        match self.values.get(&name) {
            Some(values) => Ok(values),
            None => Err(ModelError::Reference { path: self.path.clone(), name }),
        }
    }

    /// Compares a model with every kind of record.
    ///
    /// # Errors
    /// A failed forward pass; [`ModelError::Reference`] if shapes differ.
    pub fn compare<B: Backend>(&self, model: &Decoder<B>) -> Result<Parity, ModelError> {
        let mut parity = Parity::default();
        let chains = self.prompts.iter().map(|p| chain(p)).collect::<Result<Vec<_>, _>>()?;
        let all = model.logits(&TokenBatch::new(&chains)?, &mut NoObserver)?;
        for (i, prompt) in chains.iter().enumerate() {
            let expected = self.of(i, "lm_head.output")?;
            let largest = expected.iter().fold(0f32, |a, b| a.max(b.abs()));
            parity.scale = parity.scale.max(largest);
            let sites: Vec<Site> =
                model.sites().into_iter().filter(|s| self.of(i, &s.to_string()).is_ok()).collect();
            let mut capture = Capture::new(sites);
            model.logits(&TokenBatch::new(std::slice::from_ref(prompt))?, &mut capture)?;
            for (site, found) in capture.finish()? {
                let off = self.off(i, &site.to_string(), &found.values)?;
                if site == Site::Logits {
                    parity.logits = parity.logits.max(off);
                    if let Ok(bf16) = self.of(i, "bf16") {
                        widest(&mut parity.bf16, largest_difference(&found.values, bf16));
                        widest(&mut parity.bf16_own, largest_difference(expected, bf16));
                    }
                } else {
                    parity.compared += found.values.len();
                    if off > parity.sites || parity.worst_site.is_none() {
                        (parity.sites, parity.worst_site) = (off, Some(site));
                    }
                }
            }
            let row = read(all.clone().narrow(0, i, 1).narrow(1, 0, prompt.len()))?;
            parity.padded = parity.padded.max(self.off(i, "lm_head.output", &row)?);
            // Rotary embeddings that depend on the text's length see less of it through a cache.
            if !model.plan().rotary.iter().any(|f| f.by_length()) {
                let step = self.off(i, "lm_head.output", &token_by_token(model, prompt)?)?;
                parity.cached = parity.cached.max(step);
            }
            if let Ok(expected) = self.of(i, "greedy") {
                parity.greedy.1 += 1;
                parity.greedy.0 += usize::from(greedy(model, prompt, expected.len())? == expected);
            }
        }
        Ok(parity)
    }

    /// The largest difference from the record.
    ///
    /// # Errors
    /// [`ModelError::Reference`] if there is no record, or one with another number of values.
    pub fn off(&self, prompt: usize, what: &str, found: &[f32]) -> Result<f32, ModelError> {
        let expected = self.of(prompt, what)?;
        if expected.len() != found.len() {
            let name = format!("{prompt}/{what} of {} values, not {}", found.len(), expected.len());
            return Err(ModelError::Reference { path: self.path.clone(), name });
        }
        Ok(largest_difference(found, expected))
    }
}

fn widest(kept: &mut Option<f32>, new: f32) {
    *kept = Some(kept.unwrap_or(0.0).max(new));
}

/// NaN counts as an infinite difference. −∞ (the score of a token that is not attended to) equals
/// itself.
fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    let off = |(a, b): (&f32, &f32)| match (a - b).abs() {
        _ if a == b => 0.0,
        off if off.is_nan() => f32::INFINITY,
        off => off,
    };
    a.iter().zip(b).map(off).fold(0.0, f32::max)
}

fn numbers(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let data = view.data();
    Some(match view.dtype() {
        Dtype::F32 => f32s(data),
        Dtype::I64 => {
            let int =
                |b: &[u8]| i64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]);
            data.chunks_exact(8).map(|b| int(b) as f32).collect()
        }
        _ => return None,
    })
}

fn chain(tokens: &[u32]) -> Result<Sequence, ModelError> {
    Ok(Sequence::chain(tokens.to_vec(), vec![TokenRole::Prompt; tokens.len()])?)
}

fn read<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Result<Vec<f32>, ModelError> {
    read_back(tensor).map_err(|reason| ModelError::Readback { what: "logits", reason })
}

fn token_by_token<B: Backend>(
    model: &Decoder<B>,
    prompt: &Sequence,
) -> Result<Vec<f32>, ModelError> {
    let mut cache = KvCache::new(model.dims().layers);
    let mut batch = TokenBatch::new(&[chain(&prompt.tokens()[..1])?])?;
    let mut logits = Vec::new();
    for next in 1..=prompt.len() {
        let hidden = model.run(&batch, Some(&mut cache), &mut NoObserver)?;
        logits.extend(read(model.unembed(hidden)?)?);
        if let Some(token) = prompt.tokens().get(next) {
            batch = batch.following(&[vec![(next - 1, *token, TokenRole::Prompt)]])?;
        }
    }
    Ok(logits)
}

fn greedy<B: Backend>(
    model: &Decoder<B>,
    prompt: &Sequence,
    tokens: usize,
) -> Result<Vec<f32>, ModelError> {
    let options = DecodeOptions {
        sampling: Sampling::default(),
        stop: model.config().eos.clone(),
        max_new_tokens: tokens,
        batch_rows: 1,
        threads: 1,
    };
    let answers = decode(model, std::slice::from_ref(prompt), Decoding::Greedy, &options, |_| {
        Ok(String::new())
    })?;
    Ok(answers.iter().flat_map(|a| &a.answers).flat_map(|a| &a.tokens).map(|t| *t as f32).collect())
}
