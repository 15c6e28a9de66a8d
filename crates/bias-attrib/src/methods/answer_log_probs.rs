use bias_cube::matmul;
use bias_probe::{HookedModel, Observer};
use burn::tensor::{Tensor, TensorData, backend::Backend};

use crate::contrast::prompt_case::PromptCase;
use crate::engine::answer_tree::{AnswerTree, Branch, token_batch};
use crate::engine::likelihood::{Predicted, checked_temperature};
use crate::engine::shared_prefix::{self, Capacity, PrefixTree, batches};
use crate::error::AttribError;

/// The log-probabilities of the answers to some prompts, `[answers]` for each prompt, on the graph
/// of one pass: what training on whole answers, and on differences between answers, is made of.
///
/// Each prompt has a row of the batch, with its answers as a tree behind it, in the order given. The
/// logits of all answers stay on the graph. So give it few prompts at a time. A prompt must have
/// answers.
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
    let trees = trees(cases)?;
    let hidden = model.hidden(&token_batch(&trees)?, observer)?;
    let of_rows = trees.iter().map(|tree| &*tree.branches);
    let found = of_branches(model, hidden, of_rows, temperature)?;
    let all: Vec<&AnswerTree<'_>> = trees.iter().collect();
    Ok(of_answers(&found, &all))
}

/// The same, with prompts that begin alike in one row, so that their beginning is run once. The
/// observer sees these rows, in any order.
///
/// # Errors
/// As [`answer_log_probs`].
pub fn shared_log_probs<B: Backend, M: HookedModel<B>>(
    model: &M,
    cases: &[PromptCase],
    temperature: f64,
    observer: &mut dyn Observer<B>,
) -> Result<Vec<Tensor<B, 1>>, AttribError> {
    let trees = trees(cases)?;
    let capacity = Capacity { batch: usize::MAX, ..Capacity::of(model.dims(), model.is_causal()) };
    let people: Vec<&AnswerTree<'_>> = trees.iter().collect();
    let rows: Vec<PrefixTree> = batches(&people, capacity).into_iter().flatten().collect();
    let hidden = model.hidden(&shared_prefix::token_batch(&rows)?, observer)?;
    let of_rows = rows.iter().map(|row| &*row.branches);
    let found = of_branches(model, hidden, of_rows, temperature)?;
    let order: Vec<usize> = rows.iter().flat_map(|row| row.members.iter().copied()).collect();
    let in_order: Vec<&AnswerTree<'_>> = order.iter().map(|i| &trees[*i]).collect();
    let mut sorted: Vec<_> = order.into_iter().zip(of_answers(&found, &in_order)).collect();
    sorted.sort_by_key(|(i, _)| *i);
    Ok(sorted.into_iter().map(|(_, own)| own).collect())
}

fn trees(cases: &[PromptCase]) -> Result<Vec<AnswerTree<'_>>, AttribError> {
    if let Some(index) = cases.iter().position(|own| own.answers.is_empty()) {
        return Err(AttribError::NoAnswer { arm: 'A', index });
    }
    let trees = cases.iter().enumerate();
    let trees = trees.map(|(i, own)| AnswerTree::new(i, &own.prompt, &own.answers, own.scale));
    Ok(trees.collect::<Result<_, _>>()?)
}

fn of_branches<'b, B: Backend, M: HookedModel<B>>(
    model: &M,
    hidden: Tensor<B, 3>,
    of_rows: impl Iterator<Item = &'b [Branch]>,
    temperature: f64,
) -> Result<Tensor<B, 1>, AttribError> {
    let temperature = checked_temperature(temperature)?;
    Ok(Predicted::new(model, hidden, of_rows, temperature)?.on_graph()?)
}

/// Each tree's answers, from the log-probabilities of all branches in the order of the trees.
fn of_answers<B: Backend>(
    of_branches: &Tensor<B, 1>,
    trees: &[&AnswerTree<'_>],
) -> Vec<Tensor<B, 1>> {
    let device = of_branches.device();
    let mut start = 0;
    let of_tree = |tree: &&AnswerTree<'_>| {
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
    trees.iter().map(of_tree).collect()
}
