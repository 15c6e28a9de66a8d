use std::sync::atomic::{AtomicUsize, Ordering};

use bias_probe::{HookedModel as _, NoObserver, Sequence};
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use crate::growing::{Growing, Row};
use crate::prefix::{Prefix, alike, behind};
use crate::streamed::Work;
use crate::{Decoder, ModelError, Sampling};

/// How answers are taken from the model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decoding {
    /// The one answer that takes the most probable token at each step.
    Greedy,
    /// Independent draws. Draws that begin alike share their computation.
    Sampled {
        /// How many answers per prompt.
        samples: u32,
        /// Two runs with one seed agree, whatever the batch size and number of threads
        /// (unless f32 rounding, of the order of 1e-7, decides a draw).
        seed: u64,
    },
    /// Every answer with its probability, breadth first, until no more than `unexplored`
    /// is left or the budget that `least` and `max_paths` set is spent.
    Exact {
        /// How much probability may be left unexplored per prompt.
        unexplored: f64,
        /// Paths less probable than this are not followed.
        least: f64,
        /// Most paths alive at once per prompt; beyond it the least probable ones go unexplored.
        max_paths: usize,
    },
}

impl Decoding {
    /// All but a thousandth of the probability: [`exact_within`](Self::exact_within) 0.001.
    #[must_use]
    pub fn exact() -> Self {
        Self::exact_within(1e-3)
    }

    /// All but this much of the probability, if it lies in paths that are each worth a
    /// fiftieth of it, at most 512 at once. What a model spreads thinly over a vocabulary
    /// of tokens that start no number would cost many times what the rest does; the
    /// [unexplored](Answers::unexplored) mass says how much that is.
    #[must_use]
    pub fn exact_within(unexplored: f64) -> Self {
        Self::Exact { unexplored, least: unexplored / 50.0, max_paths: 512 }
    }
}

/// What holds for all prompts of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecodeOptions {
    /// How the next token is drawn.
    pub sampling: Sampling,
    /// Tokens that end an answer.
    pub stop: Vec<u32>,
    /// Answers are cut after this many tokens.
    pub max_new_tokens: usize,
    /// Prompts run together.
    pub batch_rows: usize,
    /// Batches run side by side: 1 on an accelerator, the number of cores on a CPU.
    pub threads: usize,
}

/// One answer, or the share of the probability that gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Its tokens, the ending one included if it came.
    pub tokens: Vec<u32>,
    /// Its text.
    pub text: String,
    /// Probability (exact) or how often it was drawn (sampled, greedy).
    pub weight: f64,
    /// Whether it ended by itself.
    pub finished: bool,
}

/// The answers to one prompt.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Answers {
    /// Different answers, heaviest first within their length.
    pub answers: Vec<Answer>,
    /// Probability of paths that were not followed (exact decoding only).
    pub unexplored: f64,
}

/// Asks the model every prompt. `text` turns an answer's tokens into text.
///
/// All answers to a prompt grow as one tree behind the prompt's cached keys and
/// values: a token that several answers share is run once, and the prompt once.
///
/// # Errors
/// A token or position the model does not have, or a failed readback.
pub fn decode<B: Backend>(
    model: &Decoder<B>,
    prompts: &[Sequence],
    decoding: Decoding,
    options: &DecodeOptions,
    text: impl Fn(&[u32]) -> Result<String, ModelError> + Sync,
) -> Result<Vec<Answers>, ModelError> {
    let batch_rows = options.batch_rows.max(1);
    let batches: Vec<(usize, &[Sequence])> = prompts.chunks(batch_rows).enumerate().collect();
    let texts =
        |rows: Vec<Row>| rows.into_iter().map(|row| row.answers(&text)).collect::<Result<Vec<_>, _>>();
    if model.is_streamed() {
        let rows = together(model, prompts, decoding, options)?;
        return texts(rows);
    }
    let next = AtomicUsize::new(0);
    let work = |model: &Decoder<B>| {
        let mut mine = Vec::new();
        let mut prefix = None;
        while let Some((chunk, batch)) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
            let rows = alone(model, batch, &mut prefix, chunk * batch_rows, decoding, options)?;
            mine.push((*chunk, texts(rows)?));
        }
        Ok::<_, ModelError>(mine)
    };
    // Each thread has a handle of its own on the same weights.
    let others: Vec<Decoder<B>> = (1..options.threads.min(batches.len())).map(|_| model.clone()).collect();
    let mut answers = std::thread::scope(|scope| {
        let work = &work;
        let others: Vec<_> = others.into_iter().map(|m| scope.spawn(move || work(&m))).collect();
        let mut answers = work(model)?;
        for other in others {
            answers.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok::<_, ModelError>(answers)
    })?;
    answers.sort_by_key(|(chunk, _)| *chunk);
    Ok(answers.into_iter().flat_map(|(_, answers)| answers).collect())
}

/// Bytes of keys and values that prompts of a streamed model may take together.
const CACHED: usize = 3 << 29;
/// Tokens that an answer's tree is taken to need beside its prompt's.
const TREE: usize = 32;

/// Prompts of a model that is left in its file: as many at a time as their caches allow,
/// all of them through each layer before the next is read.
fn together<B: Backend>(
    model: &Decoder<B>,
    prompts: &[Sequence],
    decoding: Decoding,
    options: &DecodeOptions,
) -> Result<Vec<Row>, ModelError> {
    let (dims, batch_rows) = (model.dims(), options.batch_rows.max(1));
    let token = 2 * dims.layers * dims.kv_heads * dims.d_head * size_of::<f32>();
    let longest = prompts.iter().map(Sequence::len).max().unwrap_or(0);
    let at_once = CACHED / (token * (longest + TREE)).max(1) / batch_rows * batch_rows;
    let at_once = at_once.max(batch_rows);
    let mut all = Vec::with_capacity(prompts.len());
    for (wave, prompts) in prompts.chunks(at_once).enumerate() {
        let mut prefixes: Vec<Prefix<B>> = Vec::new();
        let mut chunks: Vec<(&[Sequence], Option<usize>)> = Vec::new();
        for prompts in prompts.chunks(batch_rows) {
            let tokens = alike(model, prompts);
            if let Some(tokens) = tokens
                && prefixes.last().is_none_or(|p| p.tokens != tokens)
            {
                prefixes.push(Prefix::new(tokens, dims.layers)?);
            }
            chunks.push((prompts, tokens.map(|_| prefixes.len() - 1)));
        }
        let mut work: Vec<_> =
            prefixes.iter_mut().map(|Prefix { batch, cache, .. }| Work { batch, cache }).collect();
        model.run_cached(&mut work, options.threads)?;
        let mut growing = Vec::new();
        for (chunk, (prompts, prefix)) in chunks.into_iter().enumerate() {
            let first = wave * at_once + chunk * batch_rows;
            let (batch, cache) = behind(prompts, prefix.map(|i| &prefixes[i]), dims.layers)?;
            growing.push(Growing::new(prompts, first, decoding, batch, cache));
        }
        drop(prefixes);
        loop {
            let mut living: Vec<&mut Growing<'_, B>> = growing.iter_mut().filter(|own| own.lives()).collect();
            if living.is_empty() || options.max_new_tokens == 0 {
                break;
            }
            let mut work: Vec<_> =
                living.iter_mut().map(|Growing { batch, cache, .. }| Work { batch, cache }).collect();
            let hidden = model.run_cached(&mut work, options.threads)?;
            for (own, hidden) in living.into_iter().zip(hidden) {
                own.grow(model, hidden, decoding, options)?;
            }
        }
        all.extend(growing.into_iter().flat_map(Growing::finish));
    }
    Ok(all)
}

/// A chunk of prompts on its own: what they all begin with is run once, not at all when the
/// chunk before began alike.
fn alone<B: Backend>(
    model: &Decoder<B>,
    prompts: &[Sequence],
    known: &mut Option<Prefix<B>>,
    first: usize,
    decoding: Decoding,
    options: &DecodeOptions,
) -> Result<Vec<Row>, ModelError> {
    let layers = model.dims().layers;
    if let Some(tokens) = alike(model, prompts) {
        if known.as_ref().is_none_or(|p| p.tokens != tokens) {
            let mut prefix = Prefix::new(tokens, layers)?;
            model.run(&prefix.batch, Some(&mut prefix.cache), &mut NoObserver)?;
            *known = Some(prefix);
        }
    } else {
        *known = None;
    }
    let (batch, cache) = behind(prompts, known.as_ref(), layers)?;
    let mut growing = Growing::new(prompts, first, decoding, batch, cache);
    while growing.lives() && options.max_new_tokens > 0 {
        let hidden = model.run(&growing.batch, Some(&mut growing.cache), &mut NoObserver)?;
        growing.grow(model, hidden, decoding, options)?;
    }
    Ok(growing.finish())
}
