//! The probability of every word of a choice, in one pass.

use std::collections::HashMap;

use bias_probe::{ProbeError, Sequence};
use bias_types::TokenRole;

use super::answers::{Answer, Answers};
use super::logits::{Logits, are_numbers};
use crate::error::AskError;
use crate::question::options::Word;
use crate::question::{Question, QuestionKind};

/// Choices that are asked together. Each prompt and the words behind it form one tree.
pub(crate) struct Weighing<'q> {
    questions: &'q [Question],
    pub trees: Vec<Sequence>,
    /// For each tree, the tokens of each word and the positions that predict them.
    steps: Vec<Vec<Vec<(usize, u32)>>>,
}

fn words(question: &Question) -> &[Word] {
    match &question.kind {
        QuestionKind::Choice(words) => words,
        QuestionKind::Free | QuestionKind::Number(_) => &[],
    }
}

impl<'q> Weighing<'q> {
    pub(crate) fn new(questions: &'q [Question]) -> Result<Self, AskError> {
        let (mut trees, mut steps) = (Vec::new(), Vec::new());
        for question in questions {
            let prompt = &question.prompt;
            let mut tokens = prompt.tokens().to_vec();
            let mut parents: Vec<Option<usize>> = prompt.parents().to_vec();
            let mut known: HashMap<(usize, u32), usize> = HashMap::new();
            let own = words(question).iter().map(|word| {
                let mut at = prompt.len() - 1;
                let last = word.tokens.len().saturating_sub(1);
                let step = |(i, &token): (usize, &u32)| {
                    let from = at;
                    // The last one is only predicted.
                    if i < last {
                        at = *known.entry((from, token)).or_insert_with(|| {
                            tokens.push(token);
                            parents.push(Some(from));
                            tokens.len() - 1
                        });
                    }
                    (from, token)
                };
                word.tokens.iter().enumerate().map(step).collect()
            });
            steps.push(own.collect());
            let mut roles = prompt.roles().to_vec();
            roles.resize(tokens.len(), TokenRole::Answer);
            trees.push(Sequence::tree(tokens, roles, parents)?);
        }
        Ok(Self { questions, trees, steps })
    }

    /// Reads the output of a pass: `width` columns, of which the first is column `past` of the
    /// trees.
    pub(crate) fn answers(
        &self,
        logits: &mut Logits<'_>,
        width: usize,
        past: usize,
    ) -> Result<Vec<Answers>, AskError> {
        let vocab = logits.vocab;
        // Where something is predicted, in order.
        let mut places: Vec<(usize, usize)> = Vec::new();
        for (row, steps) in self.steps.iter().enumerate() {
            let mut own: Vec<usize> = steps.iter().flatten().map(|(from, _)| *from).collect();
            own.sort_unstable();
            own.dedup();
            places.extend(own.into_iter().map(|from| (row, from)));
        }
        let mut log_probs: HashMap<(usize, usize, u32), f64> = HashMap::new();
        for places in places.chunks(logits.at_once()) {
            let index: Vec<usize> =
                places.iter().map(|(row, from)| row * width + from - past).collect();
            let logits = (logits.read)(&index)?;
            for ((row, from), logits) in places.iter().zip(logits.chunks_exact(vocab)) {
                if !are_numbers(logits) {
                    return Err(AskError::Logits { at: *from });
                }
                let total = log_sum(logits);
                let own = self.steps[*row].iter().flatten().filter(|(at, _)| at == from);
                for (_, token) in own {
                    let logit = logits
                        .get(*token as usize)
                        .ok_or(ProbeError::TokenOutOfRange { token: *token, vocab })?;
                    log_probs.insert((*row, *from, *token), f64::from(*logit) - total);
                }
            }
        }
        let of = |(row, question): (usize, &Question)| {
            let run = self.trees[row].len() - question.prompt.len();
            let mut answers: Vec<Answer> = Vec::new();
            for (word, steps) in words(question).iter().zip(&self.steps[row]) {
                let log: f64 =
                    steps.iter().map(|(from, token)| log_probs[&(row, *from, *token)]).sum();
                answers.push(Answer {
                    tokens: word.tokens.clone(),
                    text: word.text.clone(),
                    weight: log.exp(),
                    finished: true,
                    draw: None,
                });
            }
            let other = (1.0 - answers.iter().map(|own| own.weight).sum::<f64>()).max(0.0);
            answers.push(Answer {
                tokens: Vec::new(),
                text: String::new(),
                weight: other,
                finished: true,
                draw: None,
            });
            Answers { answers, unexplored: 0.0, draws: 0, tokens: run }
        };
        Ok(self.questions.iter().enumerate().map(of).collect())
    }
}

fn log_sum(logits: &[f32]) -> f64 {
    let top = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    top + logits.iter().map(|l| (f64::from(*l) - top).exp()).sum::<f64>().ln()
}
