use bias_cube::matmul;
use bias_probe::{HookedModel, Observer};
use burn::tensor::{Tensor, TensorData, backend::Backend};

use crate::contrast::prompt_case::PromptCase;
use crate::engine::answer_tree::{AnswerTree, token_batch};
use crate::engine::likelihood::{Predicted, checked_temperature};
use crate::error::AttribError;

/// The log-probabilities of the answers to some prompts, `[answers]` for each prompt, on the graph
/// of one pass: what training on whole answers, and on differences between answers, is made of.
///
/// All prompts run in one batch, each with its answers as a tree behind it, and the logits of all
/// answers stay on the graph. So give it few prompts at a time. A prompt must have answers.
///
/// # Errors
/// [`AttribError::Temperature`]; [`AttribError::NoAnswer`] for a prompt without answers; a failed
/// pass.
pub fn answer_log_probs<B: Backend, M: HookedModel<B>>(
    model: &M,
    cases: &[PromptCase],
    temperature: f64,
    observer: &mut dyn Observer<B>,
) -> Result<Vec<Tensor<B, 1>>, AttribError> {
    let temperature = checked_temperature(temperature)?;
    if let Some(index) = cases.iter().position(|own| own.answers.is_empty()) {
        return Err(AttribError::NoAnswer { arm: 'A', index });
    }
    let trees = cases.iter().enumerate();
    let trees = trees
        .map(|(index, own)| AnswerTree::new(index, &own.prompt, &own.answers, own.scale))
        .collect::<Result<Vec<_>, _>>()?;
    let hidden = model.hidden(&token_batch(&trees)?, observer)?;
    let of_rows = trees.iter().map(|tree| &*tree.branches);
    let of_branches = Predicted::new(model, hidden, of_rows, temperature)?.on_graph()?;
    let device = of_branches.device();
    let mut start = 0;
    let of_tree = |tree: &AnswerTree<'_>| {
        let (answers, branches) = (tree.paths.len(), tree.branches.len());
        let mut taken = vec![0f32; answers * branches];
        for (answer, path) in tree.paths.iter().enumerate() {
            path.iter().for_each(|branch| taken[answer * branches + branch] += 1.0);
        }
        let own = of_branches.clone().narrow(0, start, branches).reshape([branches, 1]);
        start += branches;
        let taken = TensorData::new(taken, [answers, branches]);
        let taken = Tensor::<B, 2>::from_data(taken, (&device, own.dtype()));
        matmul(taken, own).reshape([answers])
    };
    Ok(trees.iter().map(of_tree).collect())
}
