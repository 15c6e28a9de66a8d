use bias_ask::Answers;
use bias_ask::generate::Answer;
use sha2::{Digest as _, Sha256};

use crate::form::{Form, Next};
use crate::wire::{End, Step, Token};

/// A place in the tree of answers.
#[derive(Debug)]
struct Node {
    /// The place before it, and the token that leads here.
    parent: u32,
    token: Token,
    depth: u32,
    /// The probability that an answer comes here.
    mass: f64,
    state: State,
    /// The probability of answers that end here.
    ended: f64,
    /// Where its continuations are among all nodes.
    children: std::ops::Range<u32>,
    /// How often it was asked for without an answer.
    tries: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// What follows is not known.
    Open,
    /// What follows is known as far as the server told it.
    Known,
    /// The answer has its greatest length.
    Cut,
    /// What follows cannot be known.
    Lost,
}

/// The answers to a question, as far as they are known.
#[derive(Debug)]
pub(crate) struct Tree {
    form: Form,
    most: u32,
    nodes: Vec<Node>,
    /// For each word of a choice, its probability.
    words: Vec<f64>,
    /// The probability of tokens that the server did not tell at the beginning.
    untold_first: f64,
    /// The same behind it.
    untold: f64,
    /// The least probability that was told at the beginning: what was not told is no likelier.
    least: f64,
    /// The places whose continuations are known.
    known: usize,
}

/// The place at which answers begin.
pub(crate) const ROOT: usize = 0;
/// Rounding of log-probabilities may let the probabilities of a step add up to a little more than 1.
const ROUNDING: f64 = 5e-3;

impl Tree {
    pub fn new(form: Form, most: usize) -> Self {
        let root = Node {
            parent: 0,
            token: "".into(),
            depth: 0,
            mass: 1.0,
            state: State::Open,
            ended: 0.0,
            children: 0..0,
            tries: 0,
        };
        let words = match &form {
            Form::Choice(words) => vec![0.0; words.all.len()],
            Form::Free | Form::Number => Vec::new(),
        };
        let most = u32::try_from(most).unwrap_or(u32::MAX).max(1);
        let (untold_first, untold, least, known) = (0.0, 0.0, 1.0, 0);
        Self { form, most, nodes: vec![root], words, untold_first, untold, least, known }
    }

    /// The number of places whose continuations are known.
    pub fn known(&self) -> usize {
        self.known
    }

    /// The tokens up to a place.
    fn path(&self, mut at: usize) -> Vec<&Token> {
        let mut path = Vec::new();
        while at != ROOT {
            path.push(&self.nodes[at].token);
            at = self.nodes[at].parent as usize;
        }
        path.reverse();
        path
    }

    fn bytes(&self, at: usize) -> Vec<u8> {
        self.path(at).iter().flat_map(|token| token.0.iter().copied()).collect()
    }

    /// The text up to a place. `None` if it is no text, or if it is not known exactly.
    pub fn text(&self, at: usize) -> Option<String> {
        if self.path(at).iter().any(|token| token.is_unclear()) {
            return None;
        }
        String::from_utf8(self.bytes(at)).ok()
    }

    /// How many tokens lead to a place.
    pub fn depth(&self, at: usize) -> usize {
        self.nodes[at].depth as usize
    }

    /// Whether answers are known to end there, and not yet how often.
    pub fn tries(&self, at: usize) -> u8 {
        self.nodes[at].tries
    }

    /// Whether what follows a place is still to be asked for.
    pub fn is_open(&self, at: usize) -> bool {
        self.nodes[at].state == State::Open
    }

    /// It was asked for in vain.
    pub fn tried(&mut self, at: usize) {
        self.nodes[at].tries = self.nodes[at].tries.saturating_add(1);
    }

    /// What follows a place cannot be known.
    pub fn give_up(&mut self, at: usize) {
        self.nodes[at].state = State::Lost;
    }

    /// The open place with the most probability.
    pub fn heaviest(&self) -> Option<usize> {
        let open = self.nodes.iter().enumerate().filter(|(_, own)| own.state == State::Open);
        open.max_by(|(i, a), (k, b)| a.mass.total_cmp(&b.mass).then(k.cmp(i))).map(|(i, _)| i)
    }

    /// The probability of answers that are not known.
    pub fn unexplored(&self) -> f64 {
        let open = |own: &&Node| matches!(own.state, State::Open | State::Lost);
        let open: f64 = self.nodes.iter().filter(open).map(|own| own.mass).sum();
        let untold = match &self.form {
            Form::Choice(_) => {
                // What was not told is no likelier than what was, for each word that was not seen.
                match self.words.iter().filter(|own| **own <= 0.0).count() {
                    0 => 0.0,
                    unseen => self.untold_first.min(unseen as f64 * self.least) + self.untold,
                }
            }
            Form::Free | Form::Number => self.untold_first + self.untold,
        };
        (open + untold).min(1.0)
    }

    /// Adds what an answer from a place on shows, and returns the place that it reached. `Err` says
    /// what is wrong with the probabilities.
    pub fn follow(&mut self, from: usize, steps: &[Step], end: End) -> Result<usize, String> {
        let mut at = from;
        for step in steps {
            self.tell(at, step)?;
            if step.token.ends() {
                return Ok(at);
            }
            let children = self.nodes[at].children.clone();
            let own = |i: &u32| self.nodes[*i as usize].token == step.token;
            let Some(next) = children.into_iter().find(own) else { return Ok(at) };
            at = next as usize;
        }
        if end == End::Stop {
            self.tried(at);
        }
        Ok(at)
    }

    /// The probabilities of what follows a place.
    fn tell(&mut self, at: usize, step: &Step) -> Result<(), String> {
        if self.nodes[at].state != State::Open || step.alternatives.is_empty() {
            return Ok(());
        }
        let total: f64 = step.alternatives.iter().map(|(_, p)| p).sum();
        if total > 1.0 + ROUNDING {
            return Err(format!(
                "the probabilities behind `{:?}` add up to {total:.4}",
                self.path(at)
            ));
        }
        let scale = self.nodes[at].mass / total.max(1.0);
        let (before, depth) = (self.bytes(at), self.nodes[at].depth + 1);
        let first = self.nodes.len() as u32;
        for (token, p) in &step.alternatives {
            let mass = p * scale;
            if token.ends() {
                self.nodes[at].ended += mass;
                continue;
            }
            let text = [&*before, &*token.0].concat();
            let state = match self.form.next(&text) {
                Next::GoesOn if depth >= self.most => State::Cut,
                Next::GoesOn => State::Open,
                Next::Ended => {
                    self.nodes[at].ended += mass;
                    continue;
                }
                Next::Word(word) => {
                    self.words[word] += mass;
                    continue;
                }
                Next::Other => continue,
            };
            let (parent, token) = (at as u32, token.clone());
            let (ended, children, tries) = (0.0, 0..0, 0);
            self.nodes.push(Node { parent, token, depth, mass, state, ended, children, tries });
        }
        let untold = (1.0 - total).max(0.0) * self.nodes[at].mass;
        if at != ROOT {
            self.untold += untold;
        } else {
            self.untold_first = untold;
            self.least = step.alternatives.iter().map(|(_, p)| *p).fold(1.0, f64::min);
        }
        let last = self.nodes.len() as u32;
        let own = &mut self.nodes[at];
        (own.state, own.children) = (State::Known, first..last);
        self.known += 1;
        Ok(())
    }

    /// The answers that are known, with their probabilities.
    pub fn answers(&self) -> Answers {
        let unexplored = self.unexplored();
        // How many tokens a word has is not known, as those that were not seen have none.
        let word =
            |text, weight| Answer { tokens: Vec::new(), text, weight, finished: true, draw: None };
        let mut answers: Vec<Answer> = match &self.form {
            Form::Choice(words) => {
                let other = 1.0 - unexplored - self.words.iter().sum::<f64>();
                let each = words.all.iter().zip(&self.words);
                let mut each: Vec<_> =
                    each.map(|((_, text), mass)| word(text.clone(), *mass)).collect();
                each.sort_by(|a, b| b.weight.total_cmp(&a.weight));
                each.insert(0, word(String::new(), other.max(0.0)));
                each
            }
            Form::Free | Form::Number => {
                let all = (0..self.nodes.len()).filter_map(|at| self.answer(at));
                let mut all: Vec<_> = all.collect();
                all.sort_by(|a, b| {
                    a.tokens.len().cmp(&b.tokens.len()).then(b.weight.total_cmp(&a.weight))
                });
                all
            }
        };
        answers.shrink_to_fit();
        Answers { answers, unexplored, draws: 0, tokens: self.known.saturating_sub(1) }
    }

    /// The answer that ends at a place.
    fn answer(&self, at: usize) -> Option<Answer> {
        let own = &self.nodes[at];
        let (weight, finished) = match own.state {
            State::Cut => (own.mass, false),
            _ => (own.ended, true),
        };
        if weight <= 0.0 {
            return None;
        }
        let tokens = self.path(at).iter().map(|token| hashed(&token.0)).collect();
        let text = String::from_utf8_lossy(&self.bytes(at)).into_owned();
        Some(Answer { tokens, text, weight, finished, draw: None })
    }
}

/// A number for a token whose id is not known: the same for the same text.
fn hashed(bytes: &[u8]) -> u32 {
    let hash: [u8; 32] = Sha256::digest(bytes).into();
    u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use bias_ask::question::Choices;
    use std::sync::Arc;

    fn step(token: &str, alternatives: &[(&str, f64)]) -> Step {
        let alternatives = alternatives.iter().map(|(own, p)| (Token::from(*own), *p)).collect();
        Step { token: token.into(), alternatives }
    }

    fn weights(own: &Answers) -> Vec<(&str, f64, bool)> {
        let each = own.answers.iter();
        each.map(|a| (a.text.as_str(), (a.weight * 1e6).round() / 1e6, a.finished)).collect()
    }

    #[test]
    fn what_was_told_is_exact_and_the_rest_is_unexplored() {
        let mut tree = Tree::new(Form::Free, 2);
        let first = step("a", &[("a", 0.6), ("b", 0.3), ("</s>", 0.05)]);
        tree.follow(ROOT, &[first.clone(), step("</s>", &[("</s>", 0.9), ("c", 0.1)])], End::Stop)
            .unwrap();
        let own = tree.answers();
        assert_eq!(weights(&own), [("", 0.05, true), ("a", 0.54, true), ("ac", 0.06, false)]);
        assert!((own.unexplored - 0.35).abs() < 1e-12, "{}", own.unexplored);
        // The same again changes nothing.
        tree.follow(ROOT, &[first], End::Length).unwrap();
        assert_eq!(tree.answers(), own);
        assert_eq!(tree.heaviest().map(|at| tree.text(at)), Some(Some("b".into())));
        let b = tree.heaviest().unwrap();
        tree.give_up(b);
        assert_eq!((tree.heaviest(), tree.answers()), (None, own));
    }

    #[test]
    fn a_number_ends_with_any_other_token() {
        let mut tree = Tree::new(Form::Number, 3);
        let steps = [
            step("5", &[("5", 0.5), ("x", 0.5)]),
            step("0", &[("0", 0.25), (" dollars", 0.5), ("</s>", 0.25)]),
            step(".", &[(".", 0.5), ("\n", 0.5)]),
        ];
        tree.follow(ROOT, &steps, End::Length).unwrap();
        let own = tree.answers();
        let expected =
            [("", 0.5, true), ("5", 0.375, true), ("50", 0.0625, true), ("50.", 0.0625, false)];
        assert_eq!(weights(&own), expected);
        assert!(own.answers[0].tokens.is_empty() && own.unexplored < 1e-12);
    }

    #[test]
    fn a_choice_sums_every_spelling() {
        let choices = Choices::parse("yes,Yes|no", "yes").unwrap();
        let form = Form::Choice(Arc::new(crate::form::Words::of(&choices, false)));
        let mut tree = Tree::new(form, 9);
        let first = [("yes", 0.4), ("y", 0.2), ("no", 0.1), ("maybe", 0.2)];
        tree.follow(ROOT, &[step("y", &first), step("es", &[("es", 0.5), ("x", 0.4)])], End::Stop)
            .unwrap();
        let own = tree.answers();
        let of = |text: &str| own.answers.iter().find(|a| a.text == text).unwrap().weight;
        assert!(own.answers.iter().all(|a| a.tokens.is_empty()), "nobody told how many they are");
        assert!((of("yes") - 0.5).abs() < 1e-12 && (of("no") - 0.1).abs() < 1e-12);
        // `Yes` was not told: at the beginning it is no likelier than `no`, the least that was. Behind
        // `y`, a tenth was not told.
        assert_eq!(of("Yes"), 0.0);
        assert!((own.unexplored - 0.12).abs() < 1e-12, "{}", own.unexplored);
        assert!(
            (own.answers.iter().map(|a| a.weight).sum::<f64>() + own.unexplored - 1.0).abs()
                < 1e-12
        );
    }

    #[test]
    fn probabilities_above_one_are_refused() {
        let mut tree = Tree::new(Form::Free, 4);
        let error = tree.follow(ROOT, &[step("a", &[("a", 0.9), ("b", 0.3)])], End::Stop);
        assert!(error.unwrap_err().contains("1.2000"));
        tree.follow(ROOT, &[step("a", &[("a", 0.9), ("b", 0.101)])], End::Stop).unwrap();
        let own = tree.answers();
        assert!(own.answers.is_empty() && (own.unexplored - 1.0).abs() < 1e-12);
    }

    #[test]
    fn half_characters_are_kept_together() {
        let mut tree = Tree::new(Form::Free, 4);
        let part = |bytes: &[u8]| Token(bytes.into());
        let steps = [
            Step { token: part(&[0xe2, 0x82]), alternatives: vec![(part(&[0xe2, 0x82]), 1.0)] },
            Step { token: part(&[0xac]), alternatives: vec![(part(&[0xac]), 1.0)] },
            step("</s>", &[("</s>", 1.0)]),
        ];
        let mid = tree.follow(ROOT, &steps[..1], End::Length).unwrap();
        assert_eq!(tree.text(mid), None);
        tree.follow(ROOT, &steps, End::Stop).unwrap();
        assert_eq!(weights(&tree.answers()), [("€", 1.0, true)]);
    }
}
