use std::collections::HashMap;

use bias_probe::{Sequence, TokenBatch};
use bias_types::TokenRole;
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::answers::{Answer, Answers};
use super::calls::ToText;
use super::decoding::{DecodeOptions, Decoding};
use super::frontier::{Draws, End, Path, Purse, leave, rng, thin};
use super::logits::{Logits, are_numbers};
use crate::error::AskError;
use crate::question::number::State;
use crate::question::{Question, QuestionKind};

/// An answer that has ended or was cut off.
struct Done {
    tokens: Vec<u32>,
    mass: f64,
    finished: bool,
    draw: Option<u32>,
}

/// The remaining work of one prompt.
pub(crate) struct Row<'p> {
    /// Its index in the chunk.
    prompt: usize,
    question: &'p Question,
    alive: Vec<Path>,
    done: Vec<Done>,
    unexplored: f64,
    /// The draws from the unexplored answers.
    draws: Draws,
    /// Whether paths are drawn, instead of all being followed.
    drawn: bool,
    /// The rest of its budget.
    purse: Purse,
    /// The number of tokens of its answers that were run.
    run: usize,
}

impl Row<'_> {
    pub(crate) fn answers(self, text: &ToText<'_>) -> Result<Answers, AskError> {
        let order = self.draws.order();
        let answer = |Done { tokens, mass, finished, draw }: Done| {
            let draw = draw.and_then(|own| order.get(own as usize).copied());
            Ok(Answer { text: text(&tokens)?, tokens, weight: mass, finished, draw })
        };
        let answers = self.done.into_iter().map(answer).collect::<Result<_, AskError>>()?;
        Ok(Answers {
            answers,
            unexplored: self.unexplored,
            draws: order.len() as u32,
            tokens: self.run,
        })
    }

    /// Takes out the answers that have ended.
    fn settle(&mut self) {
        for Path { tokens, mass, draw, end, .. } in
            self.alive.extract_if(.., |path| path.end.is_some())
        {
            self.done.push(Done { tokens, mass, finished: end == Some(End::Finished), draw });
        }
    }
}

/// The answers to a chunk of prompts, step by step. It knows no model: it receives logits and says
/// which tokens to run next.
pub(crate) struct Growing<'p> {
    rows: Vec<Row<'p>>,
    finished: Vec<Row<'p>>,
    /// The tokens to run next.
    pub batch: TokenBatch,
    steps: usize,
}

/// The part of the cache that is still needed.
pub(crate) enum Kept {
    /// All of it, as it is.
    All,
    /// These rows, in this order.
    Rows(Vec<usize>),
    /// Nothing: the batch contains all tokens again.
    Nothing,
}

impl<'p> Growing<'p> {
    pub(crate) fn new(questions: &'p [Question], decoding: Decoding, batch: TokenBatch) -> Self {
        let (mass, tokens) = match decoding {
            Decoding::Sampled { samples, .. } => (f64::from(samples), usize::MAX),
            Decoding::Greedy => (1.0, usize::MAX),
            Decoding::Exact { tokens, .. } => (1.0, tokens),
        };
        let rows = questions.iter().enumerate().map(|(prompt, question)| {
            let column = question.prompt.len() - 1;
            let root = Path {
                column,
                mass,
                tokens: Vec::new(),
                state: State::Start,
                draw: None,
                end: None,
            };
            let alive = vec![root];
            let (draws, purse) = (Draws::default(), Purse::new(tokens));
            Row {
                prompt,
                question,
                alive,
                done: Vec::new(),
                unexplored: 0.0,
                draws,
                drawn: false,
                purse,
                run: 0,
            }
        });
        Self { rows: rows.collect(), finished: Vec::new(), batch, steps: 0 }
    }

    /// Whether any answer goes on.
    pub(crate) fn lives(&self) -> bool {
        self.rows.iter().any(|row| !row.alive.is_empty())
    }

    /// Takes the logits of the batch, writes the next tokens into `batch`, and returns the part of
    /// the cache that they need. A row that grows from one length to another is run as a whole if
    /// `reruns` says so.
    pub(crate) fn grow(
        &mut self,
        logits: &mut Logits<'_>,
        decoding: Decoding,
        options: &DecodeOptions,
        reruns: &dyn Fn(usize, usize) -> bool,
    ) -> Result<Kept, AskError> {
        self.steps += 1;
        let left = options.max_new_tokens.saturating_sub(self.steps);
        let step = Step { decoding, options, said: self.steps - 1, left };
        step.grow(logits, &self.batch, &mut self.rows)?;
        let living: Vec<usize> =
            (0..self.rows.len()).filter(|r| !self.rows[*r].alive.is_empty()).collect();
        let mut kept = Kept::All;
        if living.is_empty() {
            return Ok(kept);
        }
        // Finished rows leave, once there are enough of them to be worth copying a cache.
        if living.len() * 4 <= self.rows.len() * 3 {
            self.batch = self.batch.with_rows(&living);
            let rows = std::mem::take(&mut self.rows);
            let (alive, done): (Vec<_>, Vec<_>) =
                rows.into_iter().partition(|r| !r.alive.is_empty());
            self.finished.extend(done);
            self.rows = alive;
            kept = Kept::Rows(living);
        }
        let next_column = self.batch.past() + self.batch.width();
        let new: Vec<Vec<(usize, u32, TokenRole)>> = self
            .rows
            .iter_mut()
            .map(|row| {
                row.run += row.alive.len();
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
        if (0..rows).any(|r| reruns(batch.reach(r), following.reach(r))) {
            self.batch = replant(&mut self.rows)?;
            kept = Kept::Nothing;
        } else {
            self.batch = following;
        }
        Ok(kept)
    }

    /// All rows, in the order of their prompts.
    pub(crate) fn finish(mut self) -> Vec<Row<'p>> {
        self.finished.extend(self.rows);
        self.finished.sort_by_key(|row| row.prompt);
        self.finished
    }
}

/// Every prompt with its living paths behind it, as one tree, to be run without a cache.
fn replant(rows: &mut [Row<'_>]) -> Result<TokenBatch, AskError> {
    let trees = rows.iter_mut().map(|row| {
        let prompt = &row.question.prompt;
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

/// One step of all paths.
struct Step<'o> {
    decoding: Decoding,
    options: &'o DecodeOptions,
    /// The number of tokens that every path has so far.
    said: usize,
    /// The number of steps still to come.
    left: usize,
}

/// Tokens below this probability are drawn from and not listed one by one: a step may have hundreds
/// of thousands of them.
const LISTED: f64 = 1e-5;
/// A step with no more tokens than this lists them all.
const MANY: usize = 1 << 16;

impl Step<'_> {
    /// Reads the distribution of the next token at the end of every living path, and branches the
    /// path.
    fn grow(
        &self,
        logits: &mut Logits<'_>,
        batch: &TokenBatch,
        rows: &mut [Row<'_>],
    ) -> Result<(), AskError> {
        let (vocab, width) = (logits.vocab, batch.width());
        let ends: Vec<(usize, Path, f64)> = rows
            .iter_mut()
            .enumerate()
            .flat_map(|(r, row)| {
                let alive = std::mem::take(&mut row.alive);
                let floor = self.floor(row, alive.len() * vocab);
                alive.into_iter().map(move |path| (r, path, floor))
            })
            .collect();
        // Only paths' ends need logits, and not all of a large vocabulary's at once.
        for ends in ends.chunks(logits.at_once()) {
            let places: Vec<usize> =
                ends.iter().map(|(r, p, _)| r * width + p.column - batch.past()).collect();
            let logits = (logits.read)(&places)?;
            for ((r, path, floor), logits) in ends.iter().zip(logits.chunks_exact(vocab)) {
                if !are_numbers(logits) {
                    return Err(AskError::Logits {
                        at: rows[*r].question.prompt.len() + path.tokens.len() - 1,
                    });
                }
                self.branch(&mut rows[*r], path, logits, *floor);
            }
        }
        for row in rows {
            self.choose(row);
            row.settle();
        }
        Ok(())
    }

    /// The probability that a token needs to be listed, when there are many.
    fn floor(&self, row: &Row<'_>, tokens: usize) -> f64 {
        match self.decoding {
            Decoding::Exact { unexplored, .. } if tokens > MANY => {
                (unexplored * WORTH).max(LISTED.min(1.0 / row.purse.samples(self.left)))
            }
            _ => 0.0,
        }
    }

    /// The possible continuations of a path.
    fn branch(&self, row: &mut Row<'_>, path: &Path, logits: &[f32], floor: f64) {
        if matches!(self.decoding, Decoding::Greedy) {
            if let Some(token) = self.options.sampling.top(logits) {
                self.follow(row, path, token, path.mass, path.draw);
            }
            return;
        }
        let all = self.options.sampling.probabilities(logits);
        match self.decoding {
            Decoding::Greedy => {}
            Decoding::Sampled { seed, .. } => {
                let mut rng = rng(seed, row.question.stream, &path.tokens);
                let mut ended = 0.0;
                for (token, count) in split(&all, path.mass as u64, &mut rng) {
                    match self.next(row, path, token) {
                        Some(_) => self.follow(row, path, token, count, None),
                        None => ended += count,
                    }
                }
                if ended > 0.0 {
                    row.alive.push(Path { mass: ended, end: Some(End::Finished), ..path.clone() });
                }
            }
            Decoding::Exact { unexplored, seed, .. } => match &row.question.kind {
                QuestionKind::Number(grammar) => {
                    let going_on = grammar.going_on(path.state).tokens();
                    let going_on: Vec<(u32, f64)> = going_on
                        .iter()
                        .filter_map(|id| Some((*id, *all.get(*id as usize)?)))
                        .collect();
                    let ended = 1.0 - going_on.iter().map(|(_, p)| p).sum::<f64>();
                    if ended > 0.0 {
                        let mass = ended * path.mass;
                        row.alive.push(Path { mass, end: Some(End::Finished), ..path.clone() });
                    }
                    for (token, p) in going_on.into_iter().filter(|(_, p)| *p > 0.0) {
                        self.follow(row, path, token, p * path.mass, path.draw);
                    }
                }
                QuestionKind::Free | QuestionKind::Choice(_) => {
                    // Tokens so improbable that all of them together could be left.
                    let left = unexplored / all.len() as f64 * 1e-2;
                    let (mut drawn, mut lost) = (0.0, 0.0);
                    let floor = floor.max(left);
                    for (token, p) in (0u32..).zip(&all).filter(|(_, p)| **p > 0.0) {
                        let mass = p * path.mass;
                        if mass >= floor {
                            self.follow(row, path, token, mass, path.draw);
                        } else if floor > left {
                            drawn += mass;
                        } else {
                            lost += mass;
                        }
                    }
                    row.unexplored += lost;
                    if drawn > 0.0 {
                        let light = |p: f64| p * path.mass < floor;
                        let rng = rng(seed, row.question.stream, &path.tokens);
                        let count = (drawn / floor).ceil();
                        for token in spread(&all, light, drawn / path.mass, count, rng) {
                            let draw = path
                                .draw
                                .unwrap_or_else(|| row.draws.add(&path.tokens, Some(token)));
                            self.follow(row, path, token, drawn / count, Some(draw));
                        }
                    }
                }
            },
        }
    }

    /// The state of a number after one more token, unless the token ends it. Other answers go on
    /// with any token.
    fn next(&self, row: &Row<'_>, path: &Path, token: u32) -> Option<State> {
        match &row.question.kind {
            QuestionKind::Number(grammar) => grammar.step(path.state, token),
            QuestionKind::Free | QuestionKind::Choice(_) => Some(State::Start),
        }
    }

    /// A path with one more token, or its end.
    fn follow(&self, row: &mut Row<'_>, path: &Path, token: u32, mass: f64, draw: Option<u32>) {
        let Some(state) = self.next(row, path, token) else {
            return row.alive.push(Path { mass, draw, end: Some(End::Finished), ..path.clone() });
        };
        let mut tokens = path.tokens.clone();
        tokens.push(token);
        let free = !matches!(row.question.kind, QuestionKind::Number(_));
        let end = if free && self.options.stop.contains(&token) {
            Some(End::Finished)
        } else {
            (self.left == 0).then_some(End::Cut)
        };
        row.alive.push(Path { column: path.column, mass, tokens, state, draw, end });
    }

    /// Chooses the paths to follow. At most half of the probability that may still be left out is
    /// left out now, so that later steps can leave some out too. Of the rest, all paths that are
    /// worth it are followed if the budget allows, otherwise as many as it allows.
    fn choose(&self, row: &mut Row<'_>) {
        let Decoding::Exact { unexplored, seed, .. } = self.decoding else { return };
        row.unexplored += leave(&mut row.alive, (unexplored - row.unexplored).max(0.0) / 2.0);
        let living = || row.alive.iter().filter(|path| path.end.is_none());
        let least = unexplored * WORTH;
        let samples = row.purse.samples(self.left);
        // Once some are drawn, to follow all of what little follows them would be worth less than
        // it costs.
        row.drawn |= living().count() > row.purse.all(self.left);
        // Nor to tell all apart that are cut off: one step of a flat model has as many as its
        // vocabulary.
        let cut = row.alive.iter().filter(|path| path.end == Some(End::Cut)).count();
        row.drawn |= cut as f64 > row.purse.at_last();
        if row.drawn {
            let mut rng = rng(seed, row.question.stream, &[u32::MAX, self.left as u32]);
            let alive = std::mem::take(&mut row.alive);
            // What is said at last costs nothing more.
            let samples = match self.left {
                0 => (samples * AT_LAST).min(row.purse.at_last()),
                _ => samples,
            };
            row.alive = thin(alive, self.said, samples, least, &mut rng, &mut row.draws);
        }
        let living = row.alive.iter().filter(|path| path.end.is_none()).count();
        row.purse.spend(living, self.left);
    }
}

/// How many times more paths are told apart when the last step is done.
const AT_LAST: f64 = 16.0;

/// A path is worth following by itself if it has this share of the probability that may be left
/// unexplored.
const WORTH: f64 = 0.02;

/// Draws `count` tokens. Returns each drawn token with the number of its draws.
fn split(probabilities: &[f64], count: u64, rng: &mut ChaCha8Rng) -> Vec<(u32, f64)> {
    let mut cumulative = 0.0;
    let bounds: Vec<f64> = probabilities
        .iter()
        .map(|p| {
            cumulative += p;
            cumulative
        })
        .collect();
    let mut drawn: HashMap<usize, u64> = HashMap::new();
    for _ in 0..count {
        let u = rng.random::<f64>() * cumulative;
        let at = bounds.partition_point(|b| *b <= u).min(bounds.len() - 1);
        *drawn.entry(at).or_default() += 1;
    }
    let mut drawn: Vec<(u32, f64)> =
        drawn.into_iter().map(|(at, n)| (at as u32, n as f64)).collect();
    drawn.sort_unstable_by_key(|(token, _)| *token);
    drawn
}

/// Spreads `count` draws evenly over tokens that hold `mass` together. On average, each token is
/// drawn as often as its probability says.
fn spread(
    probabilities: &[f64],
    of: impl Fn(f64) -> bool,
    mass: f64,
    count: f64,
    mut rng: ChaCha8Rng,
) -> Vec<u32> {
    let each = mass / count;
    let (mut reached, mut next, mut found) = (0.0, rng.random::<f64>() * each, Vec::new());
    for (token, p) in (0u32..).zip(probabilities).filter(|(_, p)| of(**p)) {
        reached += p;
        while next < reached {
            next += each;
            found.push(token);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::sampling::Sampling;
    use super::*;

    /// A model that finds all tokens alike, asked for one: no more answers than the budget, and all
    /// of the probability.
    #[test]
    fn answers_of_one_token_stay_within_the_budget() {
        let prompt = Sequence::chain(vec![1], vec![TokenRole::Prompt]).unwrap();
        let batch = TokenBatch::new(std::slice::from_ref(&prompt)).unwrap();
        let questions = [Question { prompt, kind: QuestionKind::Free, stream: 0 }];
        let options = DecodeOptions {
            sampling: Sampling::default(),
            stop: vec![2],
            max_new_tokens: 1,
            batch_rows: 1,
            threads: 1,
        };
        for (vocab, most) in [(300, 300), (9_000, 1300), (200_000, 1300)] {
            let decoding = Decoding::Exact { unexplored: 1e-3, tokens: 1200, seed: 1 };
            let mut growing = Growing::new(&questions, decoding, batch.clone());
            let mut read = |places: &[usize]| Ok(vec![0.0; places.len() * vocab]);
            let mut logits = Logits { vocab, most: 1 << 20, read: &mut read };
            growing.grow(&mut logits, decoding, &options, &|_, _| false).unwrap();
            assert!(!growing.lives());
            let rows = growing.finish();
            let own = rows.into_iter().next().unwrap().answers(&|_| Ok(String::new())).unwrap();
            let mass: f64 = own.answers.iter().map(|answer| answer.weight).sum();
            assert!((mass + own.unexplored - 1.0).abs() < 1e-9, "{vocab}: {mass}");
            assert!(own.unexplored <= 1e-3, "{vocab}: {}", own.unexplored);
            let least = vocab.min(1100);
            assert!((least..=most).contains(&own.answers.len()), "{vocab}: {}", own.answers.len());
        }
    }
}
