//! Checks of any [`Answering`] model, which outside implementors can run (feature `testing`).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bias_probe::{NoObserver, ProbeError, Sequence, TokenBatch};
use bias_types::TokenRole;
use burn::tensor::backend::Backend;

use crate::error::AskError;
use crate::generate::answering::Answering;
use crate::generate::answers::Answers;
use crate::generate::calls::Asking;
use crate::generate::continuation::{Continuation, Likelihood};
use crate::generate::decoding::{DecodeOptions, Decoding};
use crate::generate::sampling::Sampling;
use crate::question::number::{NumberGrammar, State};
use crate::question::options::Word;
use crate::question::{Question, QuestionKind};

/// The first promise that a model breaks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnsweringViolation {
    /// A claim of the trait that does not hold.
    #[error("{claim}: {found}")]
    Claim {
        /// The claim.
        claim: &'static str,
        /// The finding that contradicts it.
        found: String,
    },
    /// A question that failed.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// A pass that failed.
    #[error(transparent)]
    Probe(#[from] ProbeError),
}

fn broken(claim: &'static str, found: impl std::fmt::Display) -> AnsweringViolation {
    AnsweringViolation::Claim { claim, found: found.to_string() }
}

/// The fewest tokens in the vocabulary: the questions consist of them.
const VOCABULARY: usize = 24;

/// Checks that a model keeps the promises of [`Answering`], by its own logits and up to rounding of
/// `tolerance` (absolute, on probabilities):
///
/// - exact answers have the probability that the softmax of its logits gives them, step by step,
///   and all together sum to 1;
/// - numbers and choices have them too: a number whatever follows it, a choice with the rest as its
///   last answer;
/// - continuations have the likelihood that the softmax of its logits gives them, whatever is scored
///   beside them and however large batches are;
/// - a greedy answer takes the most probable token at each step and ends with an end token;
/// - there are as many samples as asked for, and they depend on the seed, not on the number of
///   prompts that run together or on the number of threads;
/// - answers come in the order of the questions, mixed kinds included, and all are reported as
///   done.
///
/// It is not for a model whose numbers depend on the length of a text: the words of a choice run in
/// one tree, which is as long as the longest. The model must know at least 24 tokens. Prompts have
/// up to 9 tokens, and answers 3. One text has up to 700 tokens, and no more than the model's
/// [`context`](Answering::context) if it names one.
///
/// # Errors
/// The first [`AnsweringViolation`].
pub fn check_answering<B: Backend>(
    model: &impl Answering<B>,
    tolerance: f64,
) -> Result<(), AnsweringViolation> {
    let vocab = model.dims().vocab;
    if vocab < VOCABULARY {
        return Err(broken("the vocabulary must be large enough to make questions of", vocab));
    }
    let asker = Asker { model, options: options(vocab), tolerance, known: HashMap::new() };
    asker.check()
}

/// Token 1 ends an answer.
const STOP: u32 = 1;

fn options(vocab: usize) -> DecodeOptions {
    // Of a large vocabulary everything could not be listed.
    let sampling = Sampling::default().with_top_k((vocab > 64).then_some(12));
    DecodeOptions { sampling, stop: vec![STOP], max_new_tokens: 3, batch_rows: 2, threads: 1 }
}

/// Every answer with its probability.
type Distribution = BTreeMap<Vec<u32>, f64>;

struct Asker<'m, M> {
    model: &'m M,
    options: DecodeOptions,
    tolerance: f64,
    /// The scores of the next token behind some tokens.
    known: HashMap<Vec<u32>, Vec<f32>>,
}

impl<M> Asker<'_, M> {
    fn check<B: Backend>(mut self) -> Result<(), AnsweringViolation>
    where
        M: Answering<B>,
    {
        // Some begin alike, and they differ in length.
        let endings: [&[u32]; 5] = [&[7, 8], &[3], &[20, 13, 12, 4], &[7, 9], &[11]];
        let prompts: Vec<Vec<u32>> =
            endings.iter().map(|end| [&[2, 5, 9, 2, 10], *end].concat()).collect();
        let everything = Decoding::Exact { unexplored: 0.0, tokens: usize::MAX, seed: 0 };
        self.options.max_new_tokens = 2;
        for (prompt, found) in prompts.iter().zip(self.ask(&free(&prompts)?, everything)?) {
            let expected = self.free(prompt)?;
            self.equal(
                "exact answers must have the probability that the logits give them",
                &found,
                &expected,
            )?;
        }
        let grammar = grammar().ok_or_else(|| broken("digits must make numbers", "none"))?;
        let numbers = of_kind(&prompts, &QuestionKind::Number(grammar.clone()))?;
        for (prompt, found) in prompts.iter().zip(self.ask(&numbers, everything)?) {
            let expected = self.number(prompt, &grammar)?;
            self.equal(
                "numbers must have the probability that the logits give them",
                &found,
                &expected,
            )?;
        }
        self.options.max_new_tokens = 3;
        let words = words();
        let choices = of_kind(&prompts, &QuestionKind::Choice(words.clone()))?;
        for (prompt, found) in prompts.iter().zip(self.ask(&choices, Decoding::Greedy)?) {
            let expected = self.choice(prompt, &words)?;
            self.equal(
                "choices must have the probability that the logits give them",
                &found,
                &expected,
            )?;
        }
        for (prompt, found) in prompts.iter().zip(self.ask(&free(&prompts)?, Decoding::Greedy)?) {
            let expected = self.greedy(prompt)?;
            let [answer] = &found.answers[..] else {
                return Err(broken(
                    "a greedy answer must be one",
                    format!("{} answers", found.answers.len()),
                ));
            };
            let (claim, ended) = (
                "a greedy answer must take the most probable token",
                answer.tokens.last() == Some(&STOP),
            );
            if answer.tokens != expected || answer.finished != ended {
                return Err(broken(claim, format!("{:?} and not {expected:?}", answer.tokens)));
            }
        }
        self.sampled(&prompts)?;
        self.likely(&prompts)?;

        // All kinds in turn.
        self.options.max_new_tokens = 2;
        let mixed: Vec<Question> = (0..prompts.len())
            .flat_map(|i| {
                [
                    free(&prompts).map(|own| own[i].clone()),
                    Ok(numbers[i].clone()),
                    Ok(choices[i].clone()),
                ]
            })
            .collect::<Result<_, _>>()?;
        let alone =
            mixed.iter().map(|own| Ok(self.ask(std::slice::from_ref(own), everything)?.remove(0)));
        let alone = alone.collect::<Result<Vec<_>, AnsweringViolation>>()?;
        for (alone, together) in alone.iter().zip(self.ask(&mixed, everything)?) {
            let claim = "answers must be those to their question, whatever is asked beside it";
            self.equal(claim, &together, &distribution(alone))?;
        }
        Ok(())
    }

    fn ask<B: Backend>(
        &self,
        questions: &[Question],
        decoding: Decoding,
    ) -> Result<Vec<Answers>, AnsweringViolation>
    where
        M: Answering<B>,
    {
        let done = AtomicUsize::new(0);
        let text = |tokens: &[u32]| Ok(format!("{tokens:?}"));
        let count = |questions| {
            done.fetch_add(questions, Ordering::Relaxed);
        };
        let answers = self
            .model
            .ask(questions, &Asking::new(decoding, &self.options, &text).telling(&count))?;
        let done = done.into_inner();
        if [answers.len(), done] != [questions.len(); 2] {
            let found =
                format!("{} answered, {done} reported, of {}", answers.len(), questions.len());
            return Err(broken("every question must be answered, and reported as done", found));
        }
        Ok(answers)
    }

    fn sampled<B: Backend>(&mut self, prompts: &[Vec<u32>]) -> Result<(), AnsweringViolation>
    where
        M: Answering<B>,
    {
        let questions = free(prompts)?;
        let mut draw = |seed, batch_rows, threads| {
            (self.options.batch_rows, self.options.threads) = (batch_rows, threads);
            let found = self.ask(&questions, Decoding::Sampled { samples: 30, seed })?;
            Ok::<_, AnsweringViolation>(found.iter().map(distribution).collect::<Vec<_>>())
        };
        let first = draw(1, 1, 1)?;
        if let Some(own) = first.iter().find(|own| (own.values().sum::<f64>() - 30.0).abs() > 1e-9)
        {
            return Err(broken("samples must be as many as asked for", own.values().sum::<f64>()));
        }
        for (batch_rows, threads) in [(2, 1), (64, 1), (2, 2)] {
            if draw(1, batch_rows, threads)? != first {
                let found =
                    format!("{batch_rows} prompts at a time on {threads} threads draw otherwise");
                return Err(broken("samples must depend on the seed alone", found));
            }
        }
        if draw(2, 1, 1)? == first {
            return Err(broken("another seed must draw otherwise", "the same answers"));
        }
        (self.options.batch_rows, self.options.threads) = (2, 1);
        Ok(())
    }

    fn likely<B: Backend>(&mut self, prompts: &[Vec<u32>]) -> Result<(), AnsweringViolation>
    where
        M: Answering<B>,
    {
        // One is the beginning of another, and one stands there twice.
        let endings: [&[u32]; 5] = [&[15], &[16, 17], &[16, 17, 3], &[15], &[4, 4, 19]];
        let pairs = prompts.iter().flat_map(|prompt| endings.map(|end| (prompt, end)));
        let mut wanted = Vec::new();
        for (prompt, ending) in pairs {
            wanted.push(Continuation::new(prompt, ending)?);
        }
        // A common beginning, and a text that runs in several pieces where the context allows it.
        let limit = self.model.context().unwrap_or(12);
        let long: Vec<u32> = (0..700.min(limit)).map(|i| 3 + i as u32 * 7 % 17).collect();
        let start = 40.min(long.len() / 2);
        wanted.push(Continuation::new(&long[..start], &long[start..])?);
        for ending in endings {
            wanted.push(Continuation::new(&long[..start], ending)?);
        }
        // It begins as the long one, and shares too little with it for one tree.
        let mut other = long.clone();
        other.iter_mut().skip(18).for_each(|token| *token = 22 - *token);
        wanted.push(Continuation::new(&other[..start], &other[start..])?);
        let mut expected = Vec::with_capacity(wanted.len());
        for own in &wanted {
            expected.push(self.likelihood(own)?);
        }
        let claim = "continuations must have the likelihood that the logits give them";
        for (batch_rows, threads) in [(1, 1), (64, 2)] {
            let options = DecodeOptions { batch_rows, threads, ..self.options.clone() };
            let done = AtomicUsize::new(0);
            let count = |own| {
                done.fetch_add(own, Ordering::Relaxed);
            };
            let found = self.model.log_likelihoods(&wanted, &options, &count)?;
            if [found.len(), done.into_inner()] != [wanted.len(); 2] {
                return Err(broken("every continuation must be scored, and reported", found.len()));
            }
            for ((found, expected), own) in found.iter().zip(&expected).zip(&wanted) {
                let off = found.log_probs.iter().zip(&expected.log_probs).find(|(a, b)| {
                    // Not `>`: NaN is off too.
                    let close = (**a - **b).abs() <= self.tolerance * b.abs().max(1.0) * 10.0;
                    !close
                });
                if off.is_some() || found.log_probs.len() != expected.log_probs.len() {
                    return Err(broken(claim, format!("{:?}: {off:?}", own.wanted())));
                }
                if found.greedy != expected.greedy {
                    return Err(broken(claim, format!("{:?}: greedy or not", own.wanted())));
                }
            }
        }
        Ok(())
    }

    /// The likelihood of a text that runs alone.
    fn likelihood<B: Backend>(&self, own: &Continuation) -> Result<Likelihood, AnsweringViolation>
    where
        M: Answering<B>,
    {
        let batch = TokenBatch::new(&[chain(own.tokens())?])?;
        let logits = self.model.logits(&batch, &mut NoObserver)?;
        let vocab = logits.dims()[2];
        let logits: Vec<f64> = logits.into_data().iter::<f64>().collect();
        let places = logits.chunks_exact(vocab).skip(own.given() - 1);
        let mut found = Likelihood { log_probs: Vec::new(), greedy: true };
        for (logits, token) in places.zip(own.wanted()) {
            let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = logits.iter().map(|l| (l - top).exp()).sum();
            let logit = logits.get(*token as usize).copied().unwrap_or(f64::NAN);
            found.log_probs.push(logit - top - sum.ln());
            found.greedy &= logit >= top;
        }
        Ok(found)
    }

    fn equal(
        &self,
        claim: &'static str,
        found: &Answers,
        expected: &Distribution,
    ) -> Result<(), AnsweringViolation> {
        let own = distribution(found);
        let off = |tokens: &Vec<u32>, a: f64, b: f64| {
            // Not `>`: NaN is off too.
            let close = (a - b).abs() <= self.tolerance;
            if close {
                Ok(())
            } else {
                Err(broken(claim, format!("{tokens:?} has {a} and should have {b}")))
            }
        };
        for (tokens, p) in expected {
            off(tokens, own.get(tokens).copied().unwrap_or(0.0), *p)?;
        }
        for (tokens, p) in &own {
            off(tokens, *p, expected.get(tokens).copied().unwrap_or(0.0))?;
        }
        let total = own.values().sum::<f64>() + found.unexplored;
        if (total - 1.0).abs() <= self.tolerance.max(1e-6) {
            return Ok(());
        }
        Err(broken("probabilities must sum to 1 with what is unexplored", total))
    }

    /// The scores behind some tokens that run alone.
    fn logits<B: Backend>(&mut self, tokens: &[u32]) -> Result<Vec<f32>, AnsweringViolation>
    where
        M: Answering<B>,
    {
        if let Some(known) = self.known.get(tokens) {
            return Ok(known.clone());
        }
        let batch = TokenBatch::new(&[chain(tokens)?])?;
        let logits = self.model.logits(&batch, &mut NoObserver)?;
        let last: Vec<f32> =
            logits.narrow(1, tokens.len() - 1, 1).into_data().iter::<f32>().collect();
        self.known.insert(tokens.to_vec(), last.clone());
        Ok(last)
    }

    fn softmax<B: Backend>(&mut self, tokens: &[u32]) -> Result<Vec<f64>, AnsweringViolation>
    where
        M: Answering<B>,
    {
        let logits = self.logits(tokens)?;
        let top = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let weights: Vec<f64> = logits.iter().map(|l| (f64::from(*l) - top).exp()).collect();
        let total: f64 = weights.iter().sum();
        Ok(weights.into_iter().map(|w| w / total).collect())
    }

    /// Every free answer, from running each beginning alone.
    fn free<B: Backend>(&mut self, prompt: &[u32]) -> Result<Distribution, AnsweringViolation>
    where
        M: Answering<B>,
    {
        let mut all = Distribution::new();
        let mut open = vec![(Vec::new(), 1.0)];
        for step in 1..=self.options.max_new_tokens {
            for (said, mass) in std::mem::take(&mut open) {
                let logits = self.logits(&[prompt, &said].concat())?;
                for (token, p) in self.options.sampling.distribution(&logits, 0.0) {
                    let longer = [&said[..], &[token]].concat();
                    if step == self.options.max_new_tokens || token == STOP {
                        all.insert(longer, mass * p);
                    } else {
                        open.push((longer, mass * p));
                    }
                }
            }
        }
        Ok(all)
    }

    /// Every number: its text so far when another token ends it, or when it is cut off.
    fn number<B: Backend>(
        &mut self,
        prompt: &[u32],
        grammar: &NumberGrammar,
    ) -> Result<Distribution, AnsweringViolation>
    where
        M: Answering<B>,
    {
        let mut all = Distribution::new();
        let mut open = vec![(Vec::new(), State::Start, 1.0)];
        for step in 1..=self.options.max_new_tokens {
            for (said, state, mass) in std::mem::take(&mut open) {
                let logits = self.logits(&[prompt, &said].concat())?;
                let all_tokens = self.options.sampling.distribution(&logits, 0.0);
                let mut ended = 1.0;
                for (token, p) in all_tokens {
                    let Some(next) = grammar.step(state, token) else { continue };
                    ended -= p;
                    let longer = [&said[..], &[token]].concat();
                    if step == self.options.max_new_tokens {
                        all.insert(longer, mass * p);
                    } else {
                        open.push((longer, next, mass * p));
                    }
                }
                *all.entry(said).or_default() += mass * ended;
            }
        }
        Ok(all)
    }

    fn choice<B: Backend>(
        &mut self,
        prompt: &[u32],
        words: &[Word],
    ) -> Result<Distribution, AnsweringViolation>
    where
        M: Answering<B>,
    {
        let mut all = Distribution::new();
        for word in words {
            let mut mass = 1.0;
            for (i, token) in word.tokens.iter().enumerate() {
                let next = self.softmax(&[prompt, &word.tokens[..i]].concat())?;
                mass *= next.get(*token as usize).copied().unwrap_or(0.0);
            }
            all.insert(word.tokens.clone(), mass);
        }
        let rest = 1.0 - all.values().sum::<f64>();
        all.insert(Vec::new(), rest.max(0.0));
        Ok(all)
    }

    fn greedy<B: Backend>(&mut self, prompt: &[u32]) -> Result<Vec<u32>, AnsweringViolation>
    where
        M: Answering<B>,
    {
        let mut said = Vec::new();
        while said.len() < self.options.max_new_tokens && said.last() != Some(&STOP) {
            let logits = self.logits(&[prompt, &said[..]].concat())?;
            let top = (0u32..).zip(&logits).reduce(|a, b| if b.1 > a.1 { b } else { a });
            said.extend(top.map(|(token, _)| token));
        }
        Ok(said)
    }
}

fn distribution(answers: &Answers) -> Distribution {
    let mut all = Distribution::new();
    for answer in &answers.answers {
        *all.entry(answer.tokens.clone()).or_default() += answer.weight;
    }
    all
}

fn chain(tokens: &[u32]) -> Result<Sequence, ProbeError> {
    Sequence::chain(tokens.to_vec(), vec![TokenRole::Prompt; tokens.len()])
}

fn free(prompts: &[Vec<u32>]) -> Result<Vec<Question>, ProbeError> {
    of_kind(prompts, &QuestionKind::Free)
}

fn of_kind(prompts: &[Vec<u32>], kind: &QuestionKind) -> Result<Vec<Question>, ProbeError> {
    let question = |(stream, prompt): (u64, &Vec<u32>)| {
        Ok(Question { prompt: chain(prompt)?, kind: kind.clone(), stream })
    };
    (0..).zip(prompts).map(question).collect()
}

/// Tokens 3 to 12 are digits, 13 is a comma and 14 a point.
fn grammar() -> Option<Arc<NumberGrammar>> {
    let digits = (0..10).map(|digit| (digit + 3, digit.to_string()));
    let marks = [(13, ",".to_owned()), (14, ".".to_owned())];
    NumberGrammar::of_tokens(digits.chain(marks).collect()).map(Arc::new)
}

/// Words of one token and of several, two of which begin alike.
fn words() -> Arc<[Word]> {
    let word = |(option, tokens): (usize, &[u32])| Word {
        option,
        text: format!("{tokens:?}"),
        tokens: tokens.to_vec(),
    };
    let all: [(usize, &[u32]); 4] = [(0, &[15]), (0, &[16, 17]), (1, &[16, 18, 3]), (1, &[19])];
    all.map(word).into()
}
