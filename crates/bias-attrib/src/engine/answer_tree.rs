use std::collections::HashMap;

use bias_probe::{ProbeError, Sequence, TokenBatch};
use bias_types::TokenRole;
use bias_types::prompt::{Scale, TokenSet};

use crate::contrast::prompt_case::{PossibleAnswer, PromptCase};

/// Tokens of a batch: limited, so that memory does not grow with the number of prompts.
const BATCH_TOKENS: usize = 512;

/// A prediction in a tree of answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Branch {
    /// The token of the tree that it is predicted from.
    pub from: usize,
    pub next: Next,
    /// Whether its probability is taken at temperature 1, whatever temperature answers are sampled
    /// at.
    pub untempered: bool,
}

/// The token predicted, or a set of tokens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Next {
    Token(u32),
    /// Any token but these.
    Outside(TokenSet),
}

/// All answers to a prompt as one branching sequence behind it, so that a token shared by several
/// answers is run once.
#[derive(Debug)]
pub(crate) struct AnswerTree<'a> {
    /// The number of the person in the group.
    pub index: usize,
    pub answers: &'a [PossibleAnswer],
    pub scale: Scale,
    /// The prompt's and the answers' tokens. An answer token's weight is the total weight of the
    /// answers through it. The token that ends an answer is not part of the sequence, because
    /// generation never feeds it back.
    pub sequence: Sequence,
    pub branches: Vec<Branch>,
    /// The branches that each answer takes.
    pub paths: Vec<Vec<usize>>,
}

impl<'a> AnswerTree<'a> {
    pub(crate) fn new(
        index: usize,
        prompt: &Sequence,
        answers: &'a [PossibleAnswer],
        scale: Scale,
    ) -> Result<Self, ProbeError> {
        let mut tokens = prompt.tokens().to_vec();
        let mut parents: Vec<Option<usize>> = (0..tokens.len()).map(|i| i.checked_sub(1)).collect();
        let mut weights = vec![1f64; tokens.len()];
        let untempered = scale != Scale::Mean;
        let mut branches: Vec<Branch> = Vec::new();
        // (position, next) → branch, and the position that the branch leads to once its token is
        // run.
        let mut known: HashMap<(usize, Next), (usize, Option<usize>)> = HashMap::new();
        let paths = answers.iter().map(|answer| {
            let mut at = prompt.len() - 1;
            let mut path = Vec::with_capacity(answer.tokens.len());
            for (i, &token) in answer.tokens.iter().enumerate() {
                let (branch, next) =
                    known.entry((at, Next::Token(token))).or_insert_with_key(|(_, next)| {
                        branches.push(Branch { from: at, next: next.clone(), untempered });
                        (branches.len() - 1, None)
                    });
                path.push(*branch);
                if answer.finished && i + 1 == answer.tokens.len() {
                    break;
                }
                at = *next.get_or_insert_with(|| {
                    tokens.push(token);
                    parents.push(Some(at));
                    weights.push(0.0);
                    tokens.len() - 1
                });
                weights[at] += answer.weight;
            }
            if let Some(until) = &answer.until {
                let (branch, _) = known
                    .entry((at, Next::Outside(until.clone())))
                    .or_insert_with_key(|(_, next)| {
                        branches.push(Branch { from: at, next: next.clone(), untempered });
                        (branches.len() - 1, None)
                    });
                path.push(*branch);
            }
            path
        });
        let paths = paths.collect();
        let mut roles = prompt.roles().to_vec();
        roles.resize(tokens.len(), TokenRole::Answer);
        let weights = weights.into_iter().map(|w| w as f32).collect();
        let sequence = Sequence::tree(tokens, roles, parents)?.with_weights(weights)?;
        Ok(Self { index, answers, scale, sequence, branches, paths })
    }

    /// For each branch, the sum of the worths of the answers through it.
    pub(crate) fn sums(&self, worths: impl IntoIterator<Item = f64>) -> Vec<f64> {
        let mut sums = vec![0.0; self.branches.len()];
        for (path, worth) in self.paths.iter().zip(worths) {
            path.iter().for_each(|&branch| sums[branch] += worth);
        }
        sums
    }
}

/// The cases' trees, in batches of about [`BATCH_TOKENS`] tokens.
pub(crate) fn batches(cases: &[PromptCase]) -> Result<Vec<Vec<AnswerTree<'_>>>, ProbeError> {
    grouped(cases, |r| &r.answers)
}

/// The same without answers.
pub(crate) fn prompt_batches(cases: &[PromptCase]) -> Result<Vec<Vec<AnswerTree<'_>>>, ProbeError> {
    grouped(cases, |_| &[])
}

fn grouped(
    cases: &[PromptCase],
    answers: fn(&PromptCase) -> &[PossibleAnswer],
) -> Result<Vec<Vec<AnswerTree<'_>>>, ProbeError> {
    let each = cases.iter().enumerate();
    let trees = each.map(|(index, r)| AnswerTree::new(index, &r.prompt, answers(r), r.scale));
    Ok(packed(trees.collect::<Result<_, _>>()?, |tree| tree.sequence.len(), BATCH_TOKENS, 1))
}

/// Packs items into batches of about `tokens` tokens, padding included. It makes as few batches as
/// the order allows, but at least `fewest`, and makes them as even as possible.
pub(crate) fn packed<T>(
    items: Vec<T>,
    length: impl Fn(&T) -> usize,
    tokens: usize,
    fewest: usize,
) -> Vec<Vec<T>> {
    let widths: Vec<usize> = items.iter().map(length).collect();
    let lengths = evenly(tokens, fewest, |tokens| lengths(&widths, tokens));
    let mut items = items.into_iter();
    lengths.into_iter().map(|n| items.by_ref().take(n).collect()).collect()
}

/// Packs with the least room that gives no more parts than the full `room` gives, or than `fewest`.
pub(crate) fn evenly<T>(room: usize, fewest: usize, pack: impl Fn(usize) -> Vec<T>) -> Vec<T> {
    let most = pack(room).len().max(fewest);
    let (mut low, mut high) = (0, room);
    while high - low > 1 {
        let middle = (low + high) / 2;
        match pack(middle).len() <= most {
            true => high = middle,
            false => low = middle,
        }
    }
    pack(high)
}

/// Numbers of items in batches of at most `tokens` tokens. A single item may be longer.
fn lengths(widths: &[usize], tokens: usize) -> Vec<usize> {
    let (mut lengths, mut widest) = (Vec::new(), 0);
    for width in widths {
        widest = widest.max(*width);
        match lengths.last_mut() {
            Some(n) if (*n + 1) * widest <= tokens => *n += 1,
            _ => {
                lengths.push(1);
                widest = *width;
            }
        }
    }
    lengths
}

/// The batch that a model runs.
pub(crate) fn token_batch(trees: &[AnswerTree<'_>]) -> Result<TokenBatch, ProbeError> {
    TokenBatch::new(&trees.iter().map(|t| t.sequence.clone()).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case() -> PromptCase {
        let prompt = Sequence::chain(vec![1, 9], vec![TokenRole::Prompt, TokenRole::Name]).unwrap();
        let answer = |tokens: &[u32], value, weight| PossibleAnswer {
            tokens: tokens.to_vec(),
            finished: true,
            value: Some(value),
            weight,
            ..PossibleAnswer::default()
        };
        let answers = vec![
            answer(&[5, 6, 2], 56.0, 0.5),
            answer(&[5, 7, 2], 57.0, 0.25),
            answer(&[5, 2], 5.0, 0.25),
        ];
        PromptCase::new(prompt, answers)
    }

    #[test]
    fn shared_tokens_are_run_once_and_weigh_their_answers() {
        let own = case();
        let tree = AnswerTree::new(0, &own.prompt, &own.answers, own.scale).unwrap();
        assert_eq!(tree.sequence.tokens(), [1, 9, 5, 6, 7]);
        assert_eq!(tree.sequence.weights(), [1.0, 1.0, 1.0, 0.5, 0.25]);
        assert_eq!(tree.sequence.roles()[2..], [TokenRole::Answer; 3]);
        let branches: Vec<_> = tree.branches.iter().map(|b| (b.from, b.next.clone())).collect();
        let expected = [(1, 5), (2, 6), (3, 2), (2, 7), (4, 2), (2, 2)];
        assert_eq!(branches, expected.map(|(from, token)| (from, Next::Token(token))));
        assert_eq!(
            tree.sums(own.answers.iter().map(|a| a.weight)),
            [1.0, 0.5, 0.5, 0.25, 0.25, 0.25]
        );
    }

    #[test]
    fn batches_keep_to_their_size_and_order() {
        let everyone = vec![case(); 250];
        let batches = batches(&everyone).unwrap();
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [84, 84, 82]);
        let order: Vec<_> = batches.iter().flatten().map(|t| t.index).collect();
        assert_eq!(order, (0..250).collect::<Vec<_>>());
    }

    #[test]
    fn packing_is_even_and_never_more_than_it_must_be() {
        let sizes = |widths: &[usize]| {
            packed(widths.to_vec(), |w| *w, BATCH_TOKENS, 1)
                .iter()
                .map(Vec::len)
                .collect::<Vec<_>>()
        };
        assert_eq!(sizes(&[]), [0usize; 0]);
        assert_eq!(sizes(&[2000]), [1]);
        assert_eq!(sizes(&[50; 16]), [8, 8]);
        // A long item takes a batch of its own anyway.
        assert_eq!(sizes(&[[5; 102].as_slice(), &[300; 2]].concat()), [102, 1, 1]);
        assert_eq!(sizes(&[[5; 100].as_slice(), &[100; 5]].concat()), [100, 5]);
    }
}
