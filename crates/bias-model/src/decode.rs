use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use bias_core::TokenRole;
use bias_probe::{HookedModel as _, NoObserver, Sequence, TokenBatch};
use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::frequencies::Frequencies;
use crate::streamed::Work;
use crate::{Decoder, KvCache, ModelError, Sampling};

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

/// A path that has not ended: a node of the prompt's tree of answers.
#[derive(Clone)]
struct Path {
    /// The column of its last token; until that has run, of the one before.
    column: usize,
    mass: f64,
    tokens: Vec<u32>,
}

/// What one prompt still has to do.
struct Row {
    /// Which prompt of the chunk it is.
    prompt: usize,
    alive: Vec<Path>,
    done: Vec<(Vec<u32>, f64, bool)>,
    unexplored: f64,
    rng: ChaCha8Rng,
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

impl Row {
    fn answers(self, text: impl Fn(&[u32]) -> Result<String, ModelError>) -> Result<Answers, ModelError> {
        let answer = |(tokens, weight, finished): (Vec<u32>, f64, bool)| {
            Ok(Answer { text: text(&tokens)?, tokens, weight, finished })
        };
        let answers = self.done.into_iter().map(answer).collect::<Result<_, ModelError>>()?;
        Ok(Answers { answers, unexplored: self.unexplored })
    }
}

/// What several prompts begin with, already run.
struct Prefix<B: Backend> {
    tokens: Vec<u32>,
    /// One row.
    batch: TokenBatch,
    cache: KvCache<B>,
}

/// A prefix shorter than this is not worth a pass of its own.
const SHORTEST_PREFIX: usize = 4;

impl<B: Backend> Prefix<B> {
    fn new(tokens: &[u32], layers: usize) -> Result<Self, ModelError> {
        let chain = Sequence::chain(tokens.to_vec(), vec![TokenRole::Prompt; tokens.len()])?;
        Ok(Self { tokens: tokens.to_vec(), batch: TokenBatch::new(&[chain])?, cache: KvCache::new(layers) })
    }
}

/// What all prompts begin with, if it is worth a pass of its own.
fn alike<'p, B: Backend>(model: &Decoder<B>, prompts: &'p [Sequence]) -> Option<&'p [u32]> {
    // Every prompt keeps a token of its own: its end has to be run.
    let shortest = prompts.iter().map(Sequence::len).min()?.saturating_sub(1);
    let first = prompts.first()?.tokens();
    let alike = |n: &usize| prompts.iter().all(|p| p.tokens().get(*n) == first.get(*n));
    let shared = (0..shortest).take_while(alike).count();
    // Where the text's length decides how its beginning is turned, a beginning is not alike.
    let by_length = model.plan().rotary.iter().any(Frequencies::by_length);
    (prompts.len() > 1 && shared >= SHORTEST_PREFIX && !by_length).then(|| &first[..shared])
}

/// Prompts to be run, behind what they all begin with.
fn behind<B: Backend>(
    prompts: &[Sequence],
    prefix: Option<&Prefix<B>>,
    layers: usize,
) -> Result<(TokenBatch, KvCache<B>), ModelError> {
    let Some(prefix) = prefix else { return Ok((TokenBatch::new(prompts)?, KvCache::new(layers))) };
    let every_row = vec![0; prompts.len()];
    let rest = prompts.iter().map(|prompt| {
        let own = prompt.tokens().iter().zip(prompt.roles()).enumerate().skip(prefix.tokens.len());
        own.map(|(column, (token, role))| (column - 1, *token, *role)).collect()
    });
    let batch = prefix.batch.with_rows(&every_row).following(&rest.collect::<Vec<_>>())?;
    Ok((batch, prefix.cache.with_rows(&every_row)))
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

/// Answers to a chunk of prompts, step by step.
struct Growing<'p, B: Backend> {
    prompts: &'p [Sequence],
    rows: Vec<Row>,
    finished: Vec<Row>,
    /// What has to be run next.
    batch: TokenBatch,
    cache: KvCache<B>,
    steps: usize,
}

impl<'p, B: Backend> Growing<'p, B> {
    fn new(
        prompts: &'p [Sequence],
        first: usize,
        decoding: Decoding,
        batch: TokenBatch,
        cache: KvCache<B>,
    ) -> Self {
        let (seed, mass) = match decoding {
            Decoding::Greedy => (0, 1.0),
            Decoding::Sampled { samples, seed } => (seed, f64::from(samples)),
            Decoding::Exact { .. } => (0, 1.0),
        };
        let rows = prompts.iter().enumerate().map(|(i, prompt)| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream((first + i) as u64);
            let root = Path { column: prompt.len() - 1, mass, tokens: Vec::new() };
            Row { prompt: i, alive: vec![root], done: Vec::new(), unexplored: 0.0, rng }
        });
        Self { prompts, rows: rows.collect(), finished: Vec::new(), batch, cache, steps: 0 }
    }

    /// Whether an answer goes on.
    fn lives(&self) -> bool {
        self.rows.iter().any(|row| !row.alive.is_empty())
    }

    /// Takes what the batch gave, and says in `batch` and `cache` what comes next.
    fn grow(
        &mut self,
        model: &Decoder<B>,
        hidden: Tensor<B, 3>,
        decoding: Decoding,
        options: &DecodeOptions,
    ) -> Result<(), ModelError> {
        self.steps += 1;
        let last_step = self.steps == options.max_new_tokens;
        grow(model, hidden, &self.batch, &mut self.rows, decoding, options, last_step)?;
        let living: Vec<usize> = (0..self.rows.len()).filter(|r| !self.rows[*r].alive.is_empty()).collect();
        if living.is_empty() {
            return Ok(());
        }
        // Finished rows leave, once there are enough of them to be worth copying the cache.
        if living.len() * 4 <= self.rows.len() * 3 {
            (self.batch, self.cache) = (self.batch.with_rows(&living), self.cache.with_rows(&living));
            let rows = std::mem::take(&mut self.rows);
            let (alive, done): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|r| !r.alive.is_empty());
            self.finished.extend(done);
            self.rows = alive;
        }
        let next_column = self.batch.past() + self.batch.width();
        let new: Vec<Vec<(usize, u32, TokenRole)>> = self
            .rows
            .iter_mut()
            .map(|row| {
                let alive = row.alive.iter_mut().enumerate();
                alive
                    .map(|(i, path)| {
                        let parent = std::mem::replace(&mut path.column, next_column + i);
                        (parent, path.tokens.last().copied().unwrap_or(0), TokenRole::Answer)
                    })
                    .collect()
            })
            .collect();
        let following = self.batch.following(&new)?;
        let (batch, rows) = (&self.batch, self.rows.len());
        let switches = |f: &Frequencies| (0..rows).any(|r| f.switches(batch.reach(r), following.reach(r)));
        if model.plan().rotary.iter().any(switches) {
            self.batch = replant(self.prompts, &mut self.rows)?;
            self.cache = KvCache::new(model.dims().layers);
        } else {
            self.batch = following;
        }
        Ok(())
    }

    /// All rows, in the order of their prompts.
    fn finish(mut self) -> Vec<Row> {
        self.finished.extend(self.rows);
        self.finished.sort_by_key(|row| row.prompt);
        self.finished
    }
}

/// Every prompt with its living paths behind it as one tree, to be run without a cache.
fn replant(prompts: &[Sequence], rows: &mut [Row]) -> Result<TokenBatch, ModelError> {
    let trees = rows.iter_mut().map(|row| {
        let prompt = &prompts[row.prompt];
        let mut tokens = prompt.tokens().to_vec();
        let mut parents: Vec<Option<usize>> = (0..tokens.len()).map(|i| i.checked_sub(1)).collect();
        let mut known: HashMap<(usize, u32), usize> = HashMap::new();
        for path in &mut row.alive {
            path.column = prompt.len() - 1;
            for &token in &path.tokens {
                let parent = path.column;
                path.column = *known.entry((parent, token)).or_insert_with(|| {
                    tokens.push(token);
                    parents.push(Some(parent));
                    tokens.len() - 1
                });
            }
        }
        let mut roles = prompt.roles().to_vec();
        roles.resize(tokens.len(), TokenRole::Answer);
        Sequence::tree(tokens, roles, parents)
    });
    Ok(TokenBatch::new(&trees.collect::<Result<Vec<_>, _>>()?)?)
}

/// Reads the next token's distribution at the end of every living path and lets it branch.
fn grow<B: Backend>(
    model: &Decoder<B>,
    hidden: Tensor<B, 3>,
    batch: &TokenBatch,
    rows: &mut [Row],
    decoding: Decoding,
    options: &DecodeOptions,
    last_step: bool,
) -> Result<(), ModelError> {
    let [n_rows, width, d_model] = hidden.dims();
    let device = hidden.device();
    let flat = hidden.reshape([n_rows * width, d_model]);
    let ends: Vec<(usize, Path)> = rows
        .iter_mut()
        .enumerate()
        .flat_map(|(r, row)| std::mem::take(&mut row.alive).into_iter().map(move |path| (r, path)))
        .collect();
    // Only paths' ends need logits, and not all of a large vocabulary's at once.
    let vocab = model.config().dims.vocab;
    let logits = if model.is_streamed() { 1 << 26 } else { 1 << 24 };
    let at_once = (logits / vocab).max(1);
    for ends in ends.chunks(at_once) {
        let index: Vec<i32> =
            ends.iter().map(|(r, p)| (r * width + p.column - batch.past()) as i32).collect();
        let index: Tensor<B, 1, Int> = Tensor::from_data(TensorData::new(index, [ends.len()]), &device);
        let logits = model.unembed(flat.clone().select(0, index).unsqueeze_dim(0))?;
        let logits = logits
            .into_data()
            .convert::<f32>()
            .to_vec::<f32>()
            .map_err(|e| ModelError::Readback { what: "logits", reason: format!("{e:?}") })?;
        for ((r, path), logits) in ends.iter().zip(logits.chunks_exact(vocab)) {
            branch(&mut rows[*r], path, logits, decoding, options, last_step);
        }
    }
    if let Decoding::Exact { unexplored, least, max_paths } = decoding {
        for row in rows {
            prune(row, unexplored, least, max_paths);
        }
    }
    Ok(())
}

fn branch(
    row: &mut Row,
    path: &Path,
    logits: &[f32],
    decoding: Decoding,
    options: &DecodeOptions,
    last_step: bool,
) {
    // Weights so large that the sums overflow: nothing can be said of what follows.
    let odd = |l: &f32| l.is_nan() || *l == f32::INFINITY;
    if logits.iter().any(odd) || !logits.iter().any(|l| l.is_finite()) {
        row.unexplored += path.mass;
        return;
    }
    let children: Vec<(u32, f64)> = match decoding {
        Decoding::Greedy => {
            // The first of equals, as torch.argmax.
            let top = (0u32..).zip(logits).reduce(|a, b| if b.1 > a.1 { b } else { a });
            top.map(|(token, _)| (token, path.mass)).into_iter().collect()
        }
        Decoding::Sampled { .. } => {
            let distribution = options.sampling.distribution(logits, 0.0);
            split(&distribution, path.mass as u64, &mut row.rng)
        }
        Decoding::Exact { unexplored, least, .. } => {
            // A token this improbable could be dropped even if all others were kept.
            let floor = (unexplored / (logits.len() as f64 * path.mass)).min(1.0) * 1e-2;
            let floor = floor.max((least / path.mass).min(1.0));
            let kept = options.sampling.distribution(logits, floor);
            let mass = kept.iter().map(|t| t.1).sum::<f64>();
            row.unexplored += path.mass * (1.0 - mass).max(0.0);
            kept.into_iter().map(|(token, p)| (token, p * path.mass)).collect()
        }
    };
    for (token, mass) in children {
        let mut tokens = path.tokens.clone();
        tokens.push(token);
        let finished = options.stop.contains(&token);
        if finished || last_step {
            row.done.push((tokens, mass, finished));
        } else {
            row.alive.push(Path { column: path.column, mass, tokens });
        }
    }
}

/// Draws `count` tokens: each drawn token with how often it came, in order of probability.
fn split(distribution: &[(u32, f64)], count: u64, rng: &mut ChaCha8Rng) -> Vec<(u32, f64)> {
    let mut cumulative = 0.0;
    let bounds: Vec<f64> = distribution
        .iter()
        .map(|(_, p)| {
            cumulative += p;
            cumulative
        })
        .collect();
    let mut drawn = vec![0u64; distribution.len()];
    for _ in 0..count {
        let u = rng.random::<f64>() * cumulative;
        let at = bounds.partition_point(|b| *b <= u).min(drawn.len() - 1);
        drawn[at] += 1;
    }
    let hit = distribution.iter().zip(drawn).filter(|(_, n)| *n > 0);
    hit.map(|((token, _), n)| (*token, n as f64)).collect()
}

/// Leaves the least probable paths unexplored: half of what may still be lost at each step,
/// so that later steps have something to lose too.
fn prune(row: &mut Row, unexplored: f64, least: f64, max_paths: usize) {
    row.alive.sort_by(|a, b| b.mass.total_cmp(&a.mass).then_with(|| a.tokens.cmp(&b.tokens)));
    let may_lose = (unexplored - row.unexplored).max(0.0) / 2.0;
    let mut lost = 0.0;
    while let Some(path) = row.alive.last() {
        let over = row.alive.len() > max_paths || path.mass < least;
        if !over && lost + path.mass > may_lose {
            break;
        }
        lost += path.mass;
        row.alive.pop();
    }
    row.unexplored += lost;
}
