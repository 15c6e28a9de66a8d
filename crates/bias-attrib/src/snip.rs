use bias_core::{Convention, ParamScores};
use bias_probe::{DifferentiableModel, NoObserver, wide};
use burn::tensor::{Tensor, backend::AutodiffBackend};

use crate::likelihood::{branch_log_probs, weighted};
use crate::readback::{ValuesOf, read};
use crate::tree::{AnswerTree, token_batch};
use crate::{AttribError, Attribution, Contrast, GroupScores, Respondent};

/// Importance of each weight to each group by gradients: `Σ |W_ij · ∂L/∂W_ij|` over
/// samples (Lee et al. 2019, arXiv 1810.02340; "wandg" in arXiv 2402.05162), `L` the mean cross-entropy
/// of a sample's answer tokens, the ending one included.
///
/// The absolute value is taken sample by sample, so a sample is one answer and costs
/// one backward pass. Each prompt's [most probable](Contrast::most_probable) answers
/// are its samples; each counts by its weight, and the weights of a prompt's samples
/// are scaled to 1, so that all prompts count the same: with all answers it is the
/// expectation over sampled ones. Needs twice the memory of the model's matrices, in f32.
#[derive(Debug, Clone, Copy)]
pub struct Snip {
    answers: usize,
}

impl Default for Snip {
    /// The 3 most probable answers to each prompt.
    fn default() -> Self {
        Self { answers: 3 }
    }
}

impl Snip {
    /// Looks at the `answers` most probable answers to each prompt, at least one.
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
        let kept = contrast.most_probable(self.answers);
        GroupScores::new(scores(model, 'A', &kept.a)?, scores(model, 'B', &kept.b)?)
    }
}

fn scores<B: AutodiffBackend>(
    model: &impl DifferentiableModel<B>,
    arm: char,
    respondents: &[Respondent],
) -> Result<Vec<ParamScores>, AttribError> {
    // `Σ |∂L/∂W|`: the weights are the same for every sample.
    let mut sums: Vec<Option<Tensor<B::InnerBackend, 2>>> = vec![None; model.dims().projections().count()];
    for (index, respondent) in respondents.iter().enumerate() {
        let mass: f64 = respondent.answers.iter().map(|a| a.weight).sum();
        if mass <= 0.0 {
            return Err(AttribError::NoAnswer { arm, index });
        }
        for answer in respondent.answers.iter().filter(|a| a.weight > 0.0) {
            let tree = [AnswerTree::new(index, &respondent.prompt, std::slice::from_ref(answer))?];
            let log_probs = branch_log_probs(model, &token_batch(&tree)?, &tree, &mut NoObserver, 1.0)?;
            let share = answer.weight / mass / answer.tokens.len() as f64;
            let gradients = weighted(log_probs, &vec![share; answer.tokens.len()]).backward();
            for ((path, ..), sum) in model.dims().projections().zip(&mut sums) {
                let own = wide(model.gradient(&path, &gradients)?).abs();
                *sum = Some(match sum.take() {
                    Some(sum) => sum + own,
                    None => own,
                });
            }
        }
    }
    let scores = model.dims().projections().zip(sums).map(|((path, ..), sum)| {
        let weight = wide(model.weight(&path)?.inner()).abs();
        let shape = weight.dims();
        let sum = sum.unwrap_or_else(|| weight.zeros_like());
        let values = read(weight * sum, ValuesOf::Param(path.clone()))?;
        Ok(ParamScores::new(path, shape, Convention::Importance, values)?)
    });
    scores.collect()
}
