use bias_core::TokenRole;
use bias_probe::{ProbeError, Sequence, TokenBatch};

use crate::AttribError;

/// One answer a model may give, and how probable it is.
#[derive(Debug, Clone, PartialEq)]
pub struct PossibleAnswer {
    /// Its tokens, the ending one included.
    pub tokens: Vec<u32>,
    /// Whether the last of these tokens ends the answer, so that it is never run itself.
    pub finished: bool,
    /// The number it states, or `None` when it states none.
    pub value: Option<f64>,
    /// Probability, or the share of samples that gave it.
    pub weight: f64,
}

/// A prompt about one person, and the answers to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Respondent {
    /// The prompt's tokens, with those of the name marked.
    pub prompt: Sequence,
    /// Different answers.
    pub answers: Vec<PossibleAnswer>,
}

/// The same question about people of two groups.
///
/// `a` is the group that a positive difference favours (white-associated names in
/// the paper), `b` the one it is compared with.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Contrast {
    /// Prompts about group A.
    pub a: Vec<Respondent>,
    /// Prompts about group B.
    pub b: Vec<Respondent>,
}

impl Contrast {
    /// Several contrasts as one, for methods that pool prompts.
    #[must_use]
    pub fn pooled(contrasts: &[Self]) -> Self {
        let all = |pick: fn(&Self) -> &Vec<Respondent>| contrasts.iter().flat_map(pick).cloned().collect();
        Self { a: all(|c| &c.a), b: all(|c| &c.b) }
    }

    /// Only the `count` most probable answers to each prompt: for methods that look at
    /// how an answer comes about and not at its number.
    #[must_use]
    pub fn most_probable(&self, count: usize) -> Self {
        let keep = |respondents: &[Respondent]| {
            let own = respondents.iter().map(|r| {
                let mut answers = r.answers.clone();
                answers.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.tokens.cmp(&b.tokens)));
                answers.truncate(count);
                Respondent { prompt: r.prompt.clone(), answers }
            });
            own.collect()
        };
        Self { a: keep(&self.a), b: keep(&self.b) }
    }

    pub(crate) fn check(&self) -> Result<(), AttribError> {
        for (arm, respondents) in [('A', &self.a), ('B', &self.b)] {
            if respondents.is_empty() {
                return Err(AttribError::EmptyArm { arm });
            }
        }
        Ok(())
    }
}

/// A token that may come next in a tree of answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Branch {
    /// Where in the tree it is predicted from.
    pub from: usize,
    pub token: u32,
    /// Answers that go through it: sums of weight, and of weight times what
    /// [`AnswerTree::new`] was asked to sum.
    pub sum: f64,
}

/// All answers to a prompt as one branching sequence behind it, so that a token which
/// several answers share is run once.
pub(crate) struct AnswerTree {
    /// Answer tokens weigh what the answers through them weigh. The token that ends an
    /// answer is not part of it: generation never feeds it back.
    pub sequence: Sequence,
    pub branches: Vec<Branch>,
}

impl AnswerTree {
    /// Sums `worth` (of an answer) over the answers through each branch.
    pub(crate) fn new(
        respondent: &Respondent,
        worth: impl Fn(&PossibleAnswer) -> f64,
    ) -> Result<Self, ProbeError> {
        let prompt = &respondent.prompt;
        let root = prompt.len() - 1;
        let mut tokens = prompt.tokens().to_vec();
        let mut parents: Vec<Option<usize>> = (0..tokens.len()).map(|i| i.checked_sub(1)).collect();
        let mut weights = vec![1f64; tokens.len()];
        let mut branches: Vec<Branch> = Vec::new();
        // (place, token) → branch, and where that branch leads once its token is run.
        let mut known: std::collections::HashMap<(usize, u32), (usize, Option<usize>)> = Default::default();
        for answer in &respondent.answers {
            let mut at = root;
            for (i, &token) in answer.tokens.iter().enumerate() {
                let (branch, next) = known.entry((at, token)).or_insert_with(|| {
                    branches.push(Branch { from: at, token, sum: 0.0 });
                    (branches.len() - 1, None)
                });
                branches[*branch].sum += worth(answer);
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
        }
        let mut roles = prompt.roles().to_vec();
        roles.resize(tokens.len(), TokenRole::Answer);
        let sequence = Sequence::tree(tokens, roles, parents)?;
        let weights = weights.into_iter().map(|w| w as f32).collect();
        Ok(Self { sequence: sequence.with_weights(weights)?, branches })
    }
}

/// Runs `each` over the respondents' trees in batches of about `tokens` tokens, so that
/// memory does not grow with their number.
pub(crate) fn batches<W: Fn(&Respondent, &PossibleAnswer) -> f64>(
    respondents: &[Respondent],
    tokens: usize,
    worth: W,
    mut each: impl FnMut(&TokenBatch, &[AnswerTree]) -> Result<(), AttribError>,
) -> Result<(), AttribError> {
    let mut trees: Vec<AnswerTree> = Vec::new();
    let mut width = 0;
    let mut run = |trees: &mut Vec<AnswerTree>| -> Result<(), AttribError> {
        if trees.is_empty() {
            return Ok(());
        }
        let sequences: Vec<Sequence> = trees.iter().map(|t| t.sequence.clone()).collect();
        each(&TokenBatch::new(&sequences)?, trees)?;
        trees.clear();
        Ok(())
    };
    for respondent in respondents {
        let tree = AnswerTree::new(respondent, |answer| worth(respondent, answer))?;
        width = tree.sequence.len().max(width);
        if (trees.len() + 1) * width > tokens {
            run(&mut trees)?;
            width = tree.sequence.len();
        }
        trees.push(tree);
    }
    run(&mut trees)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_tokens_are_run_once_and_weigh_their_answers() {
        let prompt = Sequence::chain(vec![1, 9], vec![TokenRole::Prompt, TokenRole::Name]).unwrap();
        let answer = |tokens: &[u32], value, weight| PossibleAnswer {
            tokens: tokens.to_vec(),
            finished: true,
            value: Some(value),
            weight,
        };
        let answers =
            vec![answer(&[5, 6, 2], 56.0, 0.5), answer(&[5, 7, 2], 57.0, 0.25), answer(&[5, 2], 5.0, 0.25)];
        let tree = AnswerTree::new(&Respondent { prompt, answers }, |a| a.weight).unwrap();
        assert_eq!(tree.sequence.tokens(), [1, 9, 5, 6, 7]);
        assert_eq!(tree.sequence.weights(), [1.0, 1.0, 1.0, 0.5, 0.25]);
        assert_eq!(tree.sequence.roles()[2..], [TokenRole::Answer; 3]);
        let branches: Vec<_> = tree.branches.iter().map(|b| (b.from, b.token, b.sum)).collect();
        assert_eq!(
            branches,
            [(1, 5, 1.0), (2, 6, 0.5), (3, 2, 0.5), (2, 7, 0.25), (4, 2, 0.25), (2, 2, 0.25)]
        );
    }
}
