use std::collections::HashMap;

use bias_ask::Answers;
use bias_ask::generate::Answer;
use sha2::{Digest as _, Sha256};

use crate::error::HostedError;
use crate::exchange::Exchange;
use crate::form::{Form, Words};
use crate::question::HostedQuestion;
use crate::wire::{Ask, Choice, End, Prompt};

/// How answers are drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drawing {
    /// How many.
    pub samples: u32,
    pub seed: u64,
    pub temperature: f64,
    pub top_p: f64,
    pub top_k: usize,
    pub min_p: f64,
    /// The longest answer, in tokens.
    pub longest: usize,
    /// Added to the count of each option of a choice.
    pub smoothing: f64,
}

/// No server gives more answers to one request: OpenAI's limit.
const TOGETHER: u32 = 128;

/// The seed of a request: the same for questions of one stream. Servers take 31 bits.
pub(super) fn seed_of(seed: u64, stream: u64, drawn: u32) -> u64 {
    let mut hash = Sha256::new();
    for part in [seed, stream, u64::from(drawn)] {
        hash.update(part.to_le_bytes());
    }
    let hash: [u8; 32] = hash.finalize().into();
    u64::from(u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]]) >> 1)
}

/// Draws answers to a question and counts them.
pub(crate) fn samples(
    exchange: &Exchange,
    model: &str,
    question: &HostedQuestion,
    prompt: Prompt<'_>,
    how: Drawing,
) -> Result<Answers, HostedError> {
    let endpoint = question.endpoint();
    let mut counted = Counted::default();
    let mut drawn = 0;
    while drawn < how.samples {
        let left = how.samples - drawn;
        let single = exchange.is_single(endpoint);
        let ask = Ask {
            endpoint,
            model,
            prompt,
            max_tokens: how.longest,
            n: if single { 1 } else { left.min(TOGETHER) },
            temperature: how.temperature,
            top_p: how.top_p,
            top_k: how.top_k,
            min_p: how.min_p,
            seed: Some(seed_of(how.seed, question.stream(), drawn)),
            alternatives: None,
        };
        let reply = exchange.ask(&ask, question.stream(), drawn)?;
        if (reply.choices.len() as u32) < ask.n {
            exchange.set_single(endpoint);
        }
        counted.tokens += reply.usage.map_or(0, |own| own.completion_tokens) as usize;
        for own in reply.choices.iter().take(left as usize) {
            counted.add(question.form(), own);
            drawn += 1;
        }
    }
    Ok(counted.answers(question.form(), how.smoothing))
}

/// Answers and how often they were drawn.
#[derive(Debug, Default)]
struct Counted {
    all: HashMap<(String, bool), u32>,
    tokens: usize,
}

impl Counted {
    fn add(&mut self, form: &Form, own: &Choice) {
        let ended = own.end == End::Stop;
        let (text, finished) = match form {
            Form::Free => (own.text.as_str(), ended),
            Form::Number => {
                let (number, over) = Form::number(&own.text);
                (number, over || ended)
            }
            Form::Choice(words) => {
                let word = words.at_start(&own.text).and_then(|i| words.all.get(i));
                (word.map_or("", |(_, word)| word.as_str()), true)
            }
        };
        *self.all.entry((text.to_owned(), finished)).or_default() += 1;
    }

    fn answers(mut self, form: &Form, smoothing: f64) -> Answers {
        let answer = |text: String, finished, weight| {
            let (tokens, draw) = (Vec::new(), None);
            Answer { tokens, text, weight, finished, draw }
        };
        let mut answers: Vec<Answer> = match form {
            Form::Choice(words) => self.words(words, smoothing, answer),
            Form::Free | Form::Number => {
                // A run keeps them for every person: no more room than they need.
                let mut all = Vec::with_capacity(self.all.len());
                let each = self.all.drain();
                all.extend(
                    each.map(|((text, ended), count)| answer(text, ended, f64::from(count))),
                );
                all
            }
        };
        answers.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.text.cmp(&b.text)));
        Answers { answers, unexplored: 0.0, draws: 0, tokens: self.tokens }
    }

    /// Every word of a choice. The first word of each option gets what is added to its count.
    fn words(
        &self,
        words: &Words,
        smoothing: f64,
        answer: impl Fn(String, bool, f64) -> Answer,
    ) -> Vec<Answer> {
        let count = |text: &str| {
            f64::from(self.all.get(&(text.to_owned(), true)).copied().unwrap_or_default())
        };
        let mut begun = vec![false; words.options];
        let each = words.all.iter().map(|(option, word)| {
            let first = !std::mem::replace(&mut begun[*option], true);
            answer(word.clone(), true, count(word) + if first { smoothing } else { 0.0 })
        });
        let mut all: Vec<Answer> = each.collect();
        all.push(answer(String::new(), true, count("")));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bias_ask::question::Choices;
    use std::sync::Arc;

    fn choice(text: &str, end: End) -> Choice {
        Choice { text: text.into(), end, steps: None }
    }

    fn counted(form: &Form, all: &[(&str, End)], smoothing: f64) -> Vec<(String, f64, bool)> {
        let mut own = Counted::default();
        all.iter().for_each(|(text, end)| own.add(form, &choice(text, *end)));
        let own = own.answers(form, smoothing).answers.into_iter();
        own.map(|a| (a.text, a.weight, a.finished)).collect()
    }

    #[test]
    fn answers_are_counted_by_their_form() {
        let own =
            counted(&Form::Free, &[("a", End::Stop), ("a", End::Length), ("a", End::Stop)], 0.0);
        assert_eq!(own, [("a".into(), 2.0, true), ("a".into(), 1.0, false)]);
        let all =
            [("5 dollars", End::Length), ("5", End::Length), ("5", End::Stop), ("x", End::Stop)];
        let own = counted(&Form::Number, &all, 0.0);
        let expected = [("", 1.0, true), ("5", 1.0, true), ("5", 1.0, false), ("5 ", 1.0, true)];
        let mut own: Vec<_> = own.iter().map(|(t, w, f)| (t.as_str(), *w, *f)).collect();
        own.sort_by_key(|(t, _, ended)| (*t, !ended));
        assert_eq!(own, expected);
        let choices = Choices::parse("yes,Yes|no", "no").unwrap();
        let form = Form::Choice(Arc::new(Words::of(&choices, false)));
        let own = counted(&form, &[("Yes.", End::Stop), ("yesterday", End::Length)], 0.5);
        let of = |text: &str| own.iter().find(|(t, ..)| t == text).unwrap().1;
        assert_eq!((of("yes"), of("Yes"), of("no"), of("")), (0.5, 1.0, 0.5, 1.0));
    }

    /// Recorded answers are found again by these.
    #[test]
    fn seeds_are_stable_and_of_a_stream() {
        assert_eq!(seed_of(0, 7, 3), seed_of(0, 7, 3));
        assert_ne!(seed_of(0, 7, 3), seed_of(0, 8, 3));
        assert_ne!(seed_of(0, 7, 3), seed_of(0, 7, 4));
        assert!(seed_of(u64::MAX, 1, 1) < 1 << 31);
    }
}
