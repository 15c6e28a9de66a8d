//! How probable the branches of answer trees are to a model, possibly an observed one.

use std::collections::HashMap;

use bias_cube::matmul;
use bias_probe::device::wide;
use bias_probe::{HookedModel, Observer, ProbeError, TokenBatch};
use bias_types::prompt::TokenSet;
use burn::tensor::activation::log_softmax;
use burn::tensor::{DType, Int, Tensor, TensorData, backend::Backend};

use super::answer_tree::{AnswerTree, Branch, Next};
use super::readback::read;
use crate::error::{AttribError, ValuesOf};

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
    let asked = Asked::new(of_rows, width, vocab)?;
    let ints = |values: Vec<i32>| {
        let shape = [values.len()];
        Tensor::<B, 1, Int>::from_data(TensorData::new(values, shape), &device)
    };
    let n = asked.places.len();
    // Only where something is predicted: a vocabulary is large.
    let at = hidden.reshape([rows * width, d_model]).select(0, ints(asked.places)).unsqueeze_dim(0);
    let logits = wide(model.unembed(at)?).reshape([n, vocab]);
    let logits = if asked.untempered.iter().any(|own| *own) {
        let own = asked.untempered.iter().map(|own| if *own { 1.0 } else { temperature as f32 });
        let own = TensorData::new(own.collect(), [n, 1]);
        logits / Tensor::from_data(own, (&device, DType::F32))
    } else {
        logits.div_scalar(temperature)
    };
    let log_probs = log_softmax(logits, 1);
    let of_tokens = log_probs.clone().reshape([n * vocab]).select(0, ints(asked.tokens));
    if asked.sets.is_empty() {
        return Ok(of_tokens);
    }
    // A product with ones for what is outside each set: a sum without cancellation.
    let sets = asked.sets.len();
    let mut outside = vec![1f32; vocab * sets];
    for (i, set) in asked.sets.iter().enumerate() {
        set.tokens().iter().for_each(|token| outside[*token as usize * sets + i] = 0.0);
    }
    let outside = Tensor::<B, 2>::from_data(TensorData::new(outside, [vocab, sets]), (&device, DType::F32));
    let sums = matmul(log_probs.exp(), outside).reshape([n * sets]).select(0, ints(asked.outside));
    let of_sets = sums.clamp_min(f32::MIN_POSITIVE).log();
    Ok(Tensor::cat(vec![of_tokens, of_sets], 0).select(0, ints(asked.order)))
}

/// What of which logits is wanted.
#[derive(Default)]
struct Asked {
    /// Cells that something is predicted from, and whether at temperature 1.
    places: Vec<i32>,
    untempered: Vec<bool>,
    /// Of `[places, vocab]`.
    tokens: Vec<i32>,
    sets: Vec<TokenSet>,
    /// Of `[places, sets]`: as many columns as there are sets in the end.
    outside: Vec<i32>,
    /// Each branch among tokens and then sets.
    order: Vec<i32>,
}

impl Asked {
    fn new<'b>(
        of_rows: impl Iterator<Item = &'b [Branch]>,
        width: usize,
        vocab: usize,
    ) -> Result<Self, ProbeError> {
        let mut own = Self::default();
        let mut places: HashMap<(usize, bool), usize> = HashMap::new();
        let mut sets: HashMap<&TokenSet, usize> = HashMap::new();
        let mut outside = Vec::new();
        let known = |token: u32| match (token as usize) < vocab {
            true => Ok(token as usize),
            false => Err(ProbeError::TokenOutOfRange { token, vocab }),
        };
        let each = of_rows.enumerate().flat_map(|(row, branches)| branches.iter().map(move |b| (row, b)));
        for (row, branch) in each {
            let at = row * width + branch.from;
            let place = *places.entry((at, branch.untempered)).or_insert_with(|| {
                own.places.push(at as i32);
                own.untempered.push(branch.untempered);
                own.places.len() - 1
            });
            match &branch.next {
                Next::Token(token) => {
                    own.order.push(own.tokens.len() as i32);
                    own.tokens.push((place * vocab + known(*token)?) as i32);
                }
                Next::Outside(set) => {
                    set.tokens().last().map(|token| known(*token)).transpose()?;
                    let next = sets.len();
                    let set = *sets.entry(set).or_insert_with(|| {
                        own.sets.push(set.clone());
                        next
                    });
                    // Negative until it is known how many tokens there are.
                    own.order.push(-1 - outside.len() as i32);
                    outside.push((place, set));
                }
            }
        }
        let (tokens, columns) = (own.tokens.len() as i32, own.sets.len());
        own.order.iter_mut().filter(|at| **at < 0).for_each(|at| *at = tokens - 1 - *at);
        own.outside = outside.into_iter().map(|(place, set)| (place * columns + set) as i32).collect();
        Ok(own)
    }
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
