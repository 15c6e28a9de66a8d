//! How probable the branches of answer trees are to a model, possibly an observed one.

use std::collections::HashMap;

use bias_probe::{HookedModel, Observer, ProbeError, TokenBatch, wide};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData, backend::Backend};

use crate::AttribError;
use crate::readback::{ValuesOf, read};
use crate::tree::{AnswerTree, Branch};

/// Log-probability of each branch at a temperature, tree by tree: `[branches]`.
pub(crate) fn branch_log_probs<B: Backend>(
    model: &impl HookedModel<B>,
    batch: &TokenBatch,
    trees: &[AnswerTree<'_>],
    observer: &mut dyn Observer<B>,
    temperature: f64,
) -> Result<Tensor<B, 1>, ProbeError> {
    branches(model, model.hidden(batch, observer)?, trees.iter().map(|tree| &*tree.branches), temperature)
}

/// The same from the final norm's output, of each row's branches.
pub(crate) fn branches<'b, B: Backend>(
    model: &impl HookedModel<B>,
    hidden: Tensor<B, 3>,
    of_rows: impl Iterator<Item = &'b [Branch]>,
    temperature: f64,
) -> Result<Tensor<B, 1>, ProbeError> {
    let [rows, width, d_model] = hidden.dims();
    let (device, vocab) = (hidden.device(), model.dims().vocab);
    let mut places: Vec<i32> = Vec::new();
    let mut place_of: HashMap<usize, usize> = HashMap::new();
    let mut picks = Vec::new();
    for (row, branches) in of_rows.enumerate() {
        for branch in branches {
            if branch.token as usize >= vocab {
                return Err(ProbeError::TokenOutOfRange { token: branch.token, vocab });
            }
            let at = row * width + branch.from;
            let place = *place_of.entry(at).or_insert_with(|| {
                places.push(at as i32);
                places.len() - 1
            });
            picks.push((place * vocab + branch.token as usize) as i32);
        }
    }
    let ints = |values: Vec<i32>| {
        let shape = [values.len()];
        Tensor::<B, 1, Int>::from_data(TensorData::new(values, shape), &device)
    };
    let n = places.len();
    // Only where something is predicted: a vocabulary is large.
    let at = hidden.reshape([rows * width, d_model]).select(0, ints(places)).unsqueeze_dim(0);
    let logits = wide(model.unembed(at)?).reshape([n, vocab]).div_scalar(temperature);
    Ok(log_softmax(logits, 1).reshape([n * vocab]).select(0, ints(picks)))
}

/// `Σ c · log p` over branches: with a worth `c` of each, its gradient is that of what
/// the answers are worth together.
pub(crate) fn weighted<B: Backend>(log_probs: Tensor<B, 1>, worths: &[f64]) -> Tensor<B, 1> {
    let worths: Vec<f32> = worths.iter().map(|w| *w as f32).collect();
    let shape = [worths.len()];
    let worths = Tensor::from_data(TensorData::new(worths, shape), (&log_probs.device(), log_probs.dtype()));
    (log_probs * worths).sum()
}

/// Log-probability of every answer, tree by tree.
pub(crate) fn answer_log_probs<B: Backend>(
    model: &impl HookedModel<B>,
    batch: &TokenBatch,
    trees: &[AnswerTree<'_>],
    observer: &mut dyn Observer<B>,
    temperature: f64,
) -> Result<Vec<Vec<f64>>, AttribError> {
    let of_branches = read(branch_log_probs(model, batch, trees, observer, temperature)?, ValuesOf::Answers)?;
    let mut of_branches = of_branches.as_slice();
    let of_answers = trees.iter().map(|tree| {
        let (own, rest) = of_branches.split_at(tree.branches.len());
        of_branches = rest;
        tree.paths.iter().map(|path| path.iter().map(|&b| f64::from(own[b])).sum()).collect()
    });
    Ok(of_answers.collect())
}

/// A temperature at which something can be sampled.
pub(crate) fn checked_temperature(temperature: f64) -> Result<f64, AttribError> {
    if temperature.is_finite() && temperature > 0.0 {
        Ok(temperature)
    } else {
        Err(AttribError::Temperature { temperature })
    }
}
