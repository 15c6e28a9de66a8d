//! The value of a tree of answers under a model that is no longer the one that gave them.

use bias_types::prompt::Scale;

use super::answer_tree::AnswerTree;
use crate::contrast::expected::expected;

/// The value of a tree of answers.
pub(crate) struct OfTree {
    pub value: f64,
    /// Its derivative by the log-probability of each branch.
    pub worths: Vec<f64>,
    /// The total weight of its answers now, and at first.
    pub mass: [f64; 2],
}

/// A person's expected answer. Each answer's first weight is multiplied by how much more probable
/// it has become. `None` if no answer has any weight left.
pub(crate) fn expectation(tree: &AnswerTree<'_>, now: &[f32], first: &[f32]) -> Option<OfTree> {
    let moved = |path: &Vec<usize>| path.iter().map(|&i| f64::from(now[i] - first[i])).sum::<f64>();
    let logs: Vec<f64> =
        tree.paths.iter().zip(tree.answers).map(|(path, a)| a.weight.ln() + moved(path)).collect();
    let mass = match tree.scale {
        Scale::Mean => {
            let first = tree.answers.iter().map(|a| a.weight).sum();
            [logs.iter().map(|log| log.exp()).sum(), first]
        }
        // All answers asked about are known, however improbable they become.
        Scale::Share | Scale::LogOdds { .. } => [1.0; 2],
    };
    let answer = expected(tree.scale, tree.answers, &logs)?;
    Some(OfTree { value: answer.value, worths: tree.sums(answer.slopes), mass })
}
