use std::sync::atomic::{AtomicUsize, Ordering};

use bias_core::TokenRole;
use bias_probe::{HookedModel as _, NoObserver, Sequence, TokenBatch};
use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{KvCache, Llama, ModelError, Sampling};

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
        /// Two runs with one seed agree, whatever the batch size.
        seed: u64,
    },
    /// Every answer with its probability, breadth first, least probable paths left out.
    Exact {
        /// How much probability may be left unexplored per prompt.
        unexplored: f64,
        /// Most paths alive at once per prompt; beyond it the least probable ones go unexplored.
        max_paths: usize,
    },
}

impl Decoding {
    /// All but 1 % of the probability, in at most 96 paths at once.
    ///
    /// The last percent of a trained model's distribution is spread thinly over a
    /// vocabulary of tokens that start no number; following it costs many times
    /// what the rest does.
    #[must_use]
    pub fn exact() -> Self {
        Self::Exact { unexplored: 1e-2, max_paths: 96 }
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
#[derive(Debug, Clone, PartialEq)]
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
#[derive(Debug, Clone, PartialEq, Default)]
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
    model: &Llama<B>,
    prompts: &[Sequence],
    decoding: Decoding,
    options: &DecodeOptions,
    text: impl Fn(&[u32]) -> Result<String, ModelError> + Sync,
) -> Result<Vec<Answers>, ModelError> {
    let batch_rows = options.batch_rows.max(1);
    let batches: Vec<(usize, &[Sequence])> = prompts.chunks(batch_rows).enumerate().collect();
    let next = AtomicUsize::new(0);
    let work = |model: &Llama<B>| {
        let mut mine = Vec::new();
        while let Some((chunk, batch)) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
            let rows = decode_batch(model, batch, chunk * batch_rows, decoding, options)?;
            let answers = rows.into_iter().map(|row| row.answers(&text)).collect::<Result<Vec<_>, _>>()?;
            mine.push((*chunk, answers));
        }
        Ok::<_, ModelError>(mine)
    };
    // Each thread has a handle of its own on the same weights.
    let others: Vec<Llama<B>> = (1..options.threads.min(batches.len())).map(|_| model.clone()).collect();
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

impl Row {
    fn answers(self, text: impl Fn(&[u32]) -> Result<String, ModelError>) -> Result<Answers, ModelError> {
        let answer = |(tokens, weight, finished): (Vec<u32>, f64, bool)| {
            Ok(Answer { text: text(&tokens)?, tokens, weight, finished })
        };
        let answers = self.done.into_iter().map(answer).collect::<Result<_, ModelError>>()?;
        Ok(Answers { answers, unexplored: self.unexplored })
    }
}

fn decode_batch<B: Backend>(
    model: &Llama<B>,
    prompts: &[Sequence],
    first: usize,
    decoding: Decoding,
    options: &DecodeOptions,
) -> Result<Vec<Row>, ModelError> {
    let (seed, mass) = match decoding {
        Decoding::Greedy => (0, 1.0),
        Decoding::Sampled { samples, seed } => (seed, f64::from(samples)),
        Decoding::Exact { .. } => (0, 1.0),
    };
    let mut rows: Vec<Row> = prompts
        .iter()
        .enumerate()
        .map(|(i, prompt)| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream((first + i) as u64);
            let root = Path { column: prompt.len() - 1, mass, tokens: Vec::new() };
            Row { alive: vec![root], done: Vec::new(), unexplored: 0.0, rng }
        })
        .collect();

    let mut cache = KvCache::new(model.config().dims.layers);
    let mut batch = TokenBatch::new(prompts)?;
    for step in 0..options.max_new_tokens {
        let hidden = model.run(&batch, Some(&mut cache), &mut NoObserver)?;
        let last_step = step + 1 == options.max_new_tokens;
        grow(model, hidden, &batch, &mut rows, decoding, options, last_step)?;
        if rows.iter().all(|r| r.alive.is_empty()) {
            break;
        }
        let next_column = batch.past() + batch.width();
        let new: Vec<Vec<(usize, u32, TokenRole)>> = rows
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
        batch = batch.following(&new)?;
    }
    Ok(rows)
}

/// Reads the next token's distribution at the end of every living path and lets it branch.
fn grow<B: Backend>(
    model: &Llama<B>,
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
    let at_once = ((1 << 24) / vocab).max(1);
    for ends in ends.chunks(at_once) {
        let index: Vec<i32> =
            ends.iter().map(|(r, p)| (r * width + p.column - batch.past()) as i32).collect();
        let index: Tensor<B, 1, Int> = Tensor::from_data(TensorData::new(index, [ends.len()]), &device);
        let logits = model.unembed(flat.clone().select(0, index).unsqueeze_dim(0));
        let logits = logits
            .into_data()
            .convert::<f32>()
            .to_vec::<f32>()
            .map_err(|e| ModelError::Readback { what: "logits", reason: format!("{e:?}") })?;
        for ((r, path), logits) in ends.iter().zip(logits.chunks_exact(vocab)) {
            branch(&mut rows[*r], path, logits, decoding, options, last_step);
        }
    }
    if let Decoding::Exact { unexplored, max_paths } = decoding {
        for row in rows {
            prune(row, unexplored, max_paths);
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
        Decoding::Exact { unexplored, .. } => {
            // A token this improbable could be dropped even if all others were kept.
            let floor = (unexplored / (logits.len() as f64 * path.mass)).min(1.0) * 1e-2;
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
fn prune(row: &mut Row, unexplored: f64, max_paths: usize) {
    row.alive.sort_by(|a, b| b.mass.total_cmp(&a.mass).then_with(|| a.tokens.cmp(&b.tokens)));
    let may_lose = (unexplored - row.unexplored).max(0.0) / 2.0;
    let mut lost = 0.0;
    while let Some(path) = row.alive.last() {
        let over = row.alive.len() > max_paths;
        if !over && lost + path.mass > may_lose {
            break;
        }
        lost += path.mass;
        row.alive.pop();
    }
    row.unexplored += lost;
}
