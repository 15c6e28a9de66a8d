//! The value of a tree of answers under a model that is no longer the one that gave them.

use bias_probe::{HookedModel, NoObserver, Observer, TokenBatch};
use bias_types::prompt::Scale;
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;

use super::answer_tree::{AnswerTree, token_batch};
use super::likelihood::Predicted;
use super::readback::read;
use crate::contrast::expected::expected;
use crate::error::{AttribError, ValuesOf};

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

/// People of one group, whose part of the gap is differentiated while an observer moves their
/// activations.
pub(crate) struct MovedPeople<'a, M> {
    model: &'a M,
    pub batch: TokenBatch,
    arm: char,
    trees: Vec<AnswerTree<'a>>,
    /// Of a person's value in the gap.
    scale: f64,
    temperature: f64,
    /// The branches' log-probabilities in the model as it is.
    first: Vec<f32>,
}

impl<'a, M> MovedPeople<'a, M> {
    pub(crate) fn new<B: AutodiffBackend>(
        model: &'a M,
        arm: char,
        trees: Vec<AnswerTree<'a>>,
        scale: f64,
        temperature: f64,
    ) -> Result<Self, AttribError>
    where
        M: HookedModel<B>,
    {
        let batch = token_batch(&trees)?;
        let mut own = Self { model, batch, arm, trees, scale, temperature, first: Vec::new() };
        let hidden = model.hidden(&own.batch, &mut NoObserver)?;
        own.first = read(own.predicted(hidden)?.log_probs()?.inner(), ValuesOf::Answers)?;
        Ok(own)
    }

    fn predicted<B: AutodiffBackend>(
        &self,
        hidden: Tensor<B, 3>,
    ) -> Result<Predicted<'_, B, M>, AttribError>
    where
        M: HookedModel<B>,
    {
        let branches = self.trees.iter().map(|tree| &*tree.branches);
        Ok(Predicted::new(self.model, hidden, branches, self.temperature)?)
    }

    /// The gradients of these people's values under an observer, times `scale`, at whatever the
    /// observer has put on the graph. `None` for people with one possible answer: there is nothing
    /// to differentiate.
    pub(crate) fn gradients<B: AutodiffBackend>(
        &self,
        observer: &mut dyn Observer<B>,
    ) -> Result<Option<B::Gradients>, AttribError>
    where
        M: HookedModel<B>,
    {
        let mut predicted = self.predicted(self.model.hidden(&self.batch, observer)?)?;
        let now = read(predicted.log_probs()?.inner(), ValuesOf::Answers)?;
        let worths = self.worths(&now)?;
        if worths.iter().all(|worth| *worth == 0.0) {
            return Ok(None);
        }
        Ok(Some(predicted.worth(&worths)?.backward()))
    }

    /// What each branch's log-probability is worth for the gap, where the branches have these.
    fn worths(&self, now: &[f32]) -> Result<Vec<f64>, AttribError> {
        let mut worths = Vec::with_capacity(now.len());
        for tree in &self.trees {
            let own = worths.len()..worths.len() + tree.branches.len();
            let lost = || AttribError::ValueLost { arm: self.arm, index: tree.index };
            let (Some(now), Some(first)) = (now.get(own.clone()), self.first.get(own)) else {
                return Err(lost());
            };
            let moved = expectation(tree, now, first).ok_or_else(lost)?;
            worths.extend(moved.worths.into_iter().map(|worth| self.scale * worth));
        }
        Ok(worths)
    }
}

/// The most steps of a path.
pub(crate) const MOST_STEPS: usize = 1000;

/// A number of steps that a path can be integrated in.
pub(crate) fn checked_steps(steps: usize) -> Result<usize, AttribError> {
    if (1..=MOST_STEPS).contains(&steps) {
        Ok(steps)
    } else {
        Err(AttribError::Steps { steps, most: MOST_STEPS })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_steps_are_refused() {
        assert!(checked_steps(1).is_ok() && checked_steps(MOST_STEPS).is_ok());
        for steps in [0, MOST_STEPS + 1, usize::MAX] {
            assert!(matches!(checked_steps(steps), Err(AttribError::Steps { .. })));
        }
    }
}
