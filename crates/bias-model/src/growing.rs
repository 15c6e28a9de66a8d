//! Trees of answers, grown a token at a time.

use std::collections::HashMap;

use bias_core::TokenRole;
use bias_probe::{HookedModel as _, Sequence, TokenBatch};
use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::frequencies::Frequencies;
use crate::{Answer, Answers, DecodeOptions, Decoder, Decoding, KvCache, ModelError};

/// A path that has not ended: a node of the prompt's tree of answers.
#[derive(Clone)]
struct Path {
    /// The column of its last token; until that has run, of the one before.
    column: usize,
    mass: f64,
    tokens: Vec<u32>,
}

/// What one prompt still has to do.
pub(crate) struct Row {
    /// Which prompt of the chunk it is.
    prompt: usize,
    alive: Vec<Path>,
    done: Vec<(Vec<u32>, f64, bool)>,
    unexplored: f64,
    rng: ChaCha8Rng,
}

impl Row {
    pub(crate) fn answers(
        self,
        text: impl Fn(&[u32]) -> Result<String, ModelError>,
    ) -> Result<Answers, ModelError> {
        let answer = |(tokens, weight, finished): (Vec<u32>, f64, bool)| {
            Ok(Answer { text: text(&tokens)?, tokens, weight, finished })
        };
        let answers = self.done.into_iter().map(answer).collect::<Result<_, ModelError>>()?;
        Ok(Answers { answers, unexplored: self.unexplored })
    }
}

/// Answers to a chunk of prompts, step by step.
pub(crate) struct Growing<'p, B: Backend> {
    prompts: &'p [Sequence],
    rows: Vec<Row>,
    finished: Vec<Row>,
    /// What has to be run next.
    pub batch: TokenBatch,
    pub cache: KvCache<B>,
    steps: usize,
}

impl<'p, B: Backend> Growing<'p, B> {
    pub(crate) fn new(
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
    pub(crate) fn lives(&self) -> bool {
        self.rows.iter().any(|row| !row.alive.is_empty())
    }

    /// Takes what the batch gave, and says in `batch` and `cache` what comes next.
    pub(crate) fn grow(
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
    pub(crate) fn finish(mut self) -> Vec<Row> {
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
            .into_vec::<f32>()
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
