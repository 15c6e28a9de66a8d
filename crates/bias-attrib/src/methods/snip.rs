use std::collections::HashMap;

use bias_probe::DifferentiableModel;
use bias_probe::device::to_f32;
use bias_types::{Convention, ParamPath, ParamScores};
use burn::tensor::{Tensor, backend::AutodiffBackend};

use super::attribution::Attribution;
use crate::contrast::prompt_case::{Contrast, PromptCase};
use crate::engine::answer_tree::{AnswerTree, token_batch};
use crate::engine::likelihood::Predicted;
use crate::engine::readback::read;
use crate::error::{AttribError, ValuesOf};
use crate::scores::group_scores::GroupScores;

/// Importance of each weight to each group by gradients: `Σ |W_ij · ∂L/∂W_ij|` over samples (Lee et
/// al. 2019, arXiv 1810.02340; "wandg" in arXiv 2402.05162), where `L` is the mean cross-entropy of
/// a sample's answer tokens, the ending one included.
///
/// The absolute value is taken for each sample, so a sample is one answer and costs one backward
/// pass. Each prompt's [most probable](Contrast::most_probable) answers are its samples. Each
/// sample counts by its weight, and the weights of a prompt's samples are scaled to a sum of 1, so
/// that all prompts count the same. With all answers, the result is the expectation over sampled
/// ones. The method needs twice the memory of the model's matrices, in f32.
#[derive(Debug, Clone, Copy)]
pub struct Snip {
    answers: usize,
}

impl Default for Snip {
    /// Uses the 3 most probable answers to each prompt.
    fn default() -> Self {
        Self { answers: 3 }
    }
}

impl Snip {
    /// Uses the `answers` most probable answers to each prompt, at least one.
    #[must_use]
    pub fn with_answers(self, answers: usize) -> Self {
        Self { answers: answers.max(1) }
    }
}

impl<B: AutodiffBackend, M: DifferentiableModel<B>> Attribution<B, M> for Snip {
    type Found = GroupScores;

    fn name(&self) -> &'static str {
        "snip"
    }

    fn attribute(&self, model: &M, contrast: &Contrast) -> Result<GroupScores, AttribError> {
        contrast.check()?;
        if model.is_streamed() {
            // Its sums would be as large as the model.
            return Err(AttribError::Streamed { method: "snip" });
        }
        let kept = contrast.most_probable(self.answers);
        GroupScores::new(scores(model, 'A', &kept.a)?, scores(model, 'B', &kept.b)?)
    }
}

fn scores<B: AutodiffBackend, M: DifferentiableModel<B>>(
    model: &M,
    arm: char,
    cases: &[PromptCase],
) -> Result<Vec<ParamScores>, AttribError> {
    let (mut samples, mut shares) = (Vec::new(), Vec::new());
    for (index, case) in cases.iter().enumerate() {
        let mass: f64 = case.answers.iter().map(|a| a.weight).sum();
        if mass <= 0.0 {
            return Err(AttribError::NoAnswer { arm, index });
        }
        for answer in case.answers.iter().filter(|a| a.weight > 0.0) {
            let tree =
                AnswerTree::new(index, &case.prompt, std::slice::from_ref(answer), case.scale)?;
            let steps = tree.branches.len();
            samples.push([tree]);
            shares.push(vec![answer.weight / mass / steps as f64; steps]);
        }
    }
    let batches = samples.iter().map(|tree| token_batch(tree)).collect::<Result<Vec<_>, _>>()?;
    let loss = |model: &M, i: usize, hidden| {
        let own = samples[i].iter().map(|tree| &*tree.branches);
        Predicted::new(model, hidden, own, 1.0)?.worth(&shares[i])
    };
    // `Σ |∂L/∂W|`: the weights are the same for every sample.
    let mut sums: HashMap<ParamPath, Tensor<B::InnerBackend, 2>> = HashMap::new();
    model.factors_all(&batches, 1, &loss, &mut |_, path, factors| {
        for own in factors {
            let own = own.gradient().abs();
            let sum = match sums.remove(path) {
                Some(sum) => sum + own,
                None => own,
            };
            sums.insert(path.clone(), sum);
        }
        Ok(())
    })?;
    let scores = model.dims().projections().map(|(path, ..)| {
        let weight = to_f32(model.weight(&path)?.inner()).abs();
        let shape = weight.dims();
        let sum = sums.remove(&path).unwrap_or_else(|| weight.zeros_like());
        let values = read(weight * sum, ValuesOf::Param(path.clone()))?;
        Ok(ParamScores::new(path, shape, Convention::Importance, values)?)
    });
    scores.collect()
}
