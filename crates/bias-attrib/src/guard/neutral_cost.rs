use std::collections::HashMap;

use bias_probe::device::to_f32;
use bias_probe::gradients::{Factors, Loss, TakeFactors, by_matrix, factors, waves};
use bias_probe::{DifferentiableModel, HookedModel, ProbeError, Sequence, TokenBatch};
use bias_types::ParamPath;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};

use super::cost::Cost;
use crate::contrast::prompt_case::PromptCase;
use crate::engine::answer_tree::{AnswerTree, token_batch};
use crate::engine::likelihood::Predicted;
use crate::engine::neutral_text::as_answer;
use crate::engine::readback::read;
use crate::error::{AttribError, ValuesOf};

/// The price of pruning each weight on neutral text: how much the mean log-loss `L` of its tokens
/// changes if one weight becomes 0.
///
/// With `ℓ_n` the log-loss of text `n`, summed over its `T_n` predicted tokens, and `T = Σ T_n`,
/// `L = Σ ℓ_n / T`, whose exponential is the perplexity.
///
/// - [`Cost::FirstOrder`]: `|W_ij · ∂L/∂W_ij|`.
/// - [`Cost::SecondOrder`]: `½ W_ij² F_ij`, where `F_ij = Σ_n (∂ℓ_n/∂W_ij)² / T` is the empirical
///   Fisher information of the texts, per token. It stands for the diagonal of the Hessian of `L`,
///   as in Optimal Brain Damage (LeCun et al. 1989; Theis et al. 2018, arXiv 1801.05787).
/// - [`MatrixCost::input_norms`]: the root mean square of each input channel over all tokens run
///   ("massive activations": Sun et al. 2024, arXiv 2402.17762).
/// - [`Cost::Output`]: `|W_ij|` times that norm of its input `j`: the typical change of the
///   matrix's output, which is Wanda's score on neutral text (arXiv 2306.11695).
///
/// Costs are handed out matrix by matrix. Texts of up to about 500 tokens together
/// ([`tokens_at_a_time`](bias_probe::gradients::tokens_at_a_time)) need no memory beyond one matrix.
/// More texts need two f32 per weight, unless the model is left in its file: it then needs two f32
/// per weight of a block.
#[derive(Debug, Clone, Copy)]
pub struct NeutralCost {
    threads: usize,
}

impl Default for NeutralCost {
    /// One thread.
    fn default() -> Self {
        Self { threads: 1 }
    }
}

/// One matrix's costs, row-major in Hugging Face `[out, in]` order.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixCost {
    path: ParamPath,
    shape: [usize; 2],
    first_order: Vec<f32>,
    second_order: Vec<f32>,
    output: Vec<f32>,
    input_norms: Vec<f32>,
}

impl MatrixCost {
    /// The matrix.
    #[must_use]
    pub fn path(&self) -> &ParamPath {
        &self.path
    }

    /// Its `[out, in]` shape.
    #[must_use]
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// The cost of each weight: in nats per token, or for [`Cost::Output`] in units of the matrix's
    /// output. None is negative.
    #[must_use]
    pub fn of(&self, cost: Cost) -> &[f32] {
        match cost {
            Cost::FirstOrder => &self.first_order,
            Cost::SecondOrder => &self.second_order,
            Cost::Output => &self.output,
        }
    }

    /// The same, without a copy.
    pub(super) fn into_costs(self, cost: Cost) -> Vec<f32> {
        match cost {
            Cost::FirstOrder => self.first_order,
            Cost::SecondOrder => self.second_order,
            Cost::Output => self.output,
        }
    }

    /// The root mean square of each input channel.
    #[must_use]
    pub fn input_norms(&self) -> &[f32] {
        &self.input_norms
    }
}

/// Takes the costs of a matrix.
pub(super) type TakeCost<'a> = dyn FnMut(MatrixCost) -> Result<(), AttribError> + 'a;

impl NeutralCost {
    /// The number of texts that run side by side. The costs do not depend on it.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        Self { threads: threads.max(1) }
    }

    /// Hands out each matrix's costs as soon as they are complete, in the order of the model's
    /// [gradients](DifferentiableModel::factors_all).
    ///
    /// # Errors
    /// [`AttribError::NoNeutral`], [`AttribError::ShortNeutral`], [`AttribError::NotFinite`], a
    /// failed pass, and the errors of `take`.
    pub fn each<B: AutodiffBackend, M: DifferentiableModel<B>>(
        &self,
        model: &M,
        neutral: &[Sequence],
        take: &mut dyn FnMut(MatrixCost) -> Result<(), AttribError>,
    ) -> Result<(), AttribError> {
        let run = |batches: &[TokenBatch], loss: &Loss<'_, M, B>, add: &mut TakeFactors<'_, B>| {
            model.factors_all(batches, self.threads, loss, add)
        };
        sum_up(model, neutral, run, take)
    }

    /// Every matrix's costs, in the order of the model's matrices. This keeps three f32 per weight.
    ///
    /// # Errors
    /// As [`each`](Self::each).
    pub fn all<B: AutodiffBackend, M: DifferentiableModel<B>>(
        &self,
        model: &M,
        neutral: &[Sequence],
    ) -> Result<Vec<MatrixCost>, AttribError> {
        let mut found = HashMap::new();
        self.each(model, neutral, &mut |cost| {
            found.insert(cost.path.clone(), cost);
            Ok(())
        })?;
        Ok(model.dims().projections().filter_map(|(path, ..)| found.remove(&path)).collect())
    }
}

/// The same for a model that is only known to run with an observer, one text after the other.
pub(crate) fn each_observed<B: AutodiffBackend, M: HookedModel<B>>(
    model: &M,
    neutral: &[Sequence],
    take: &mut TakeCost<'_>,
) -> Result<(), AttribError> {
    let run = |batches: &[TokenBatch], loss: &Loss<'_, M, B>, add: &mut TakeFactors<'_, B>| {
        for wave in waves(model.dims(), batches) {
            let found = wave
                .clone()
                .map(|i| factors(model, &batches[i], |model, hidden| loss(model, i, hidden)));
            by_matrix(found.collect::<Result<_, _>>()?, |path, own| add(wave.start, path, own))?;
        }
        Ok(())
    };
    sum_up(model, neutral, run, take)
}

/// Sums over texts for a matrix.
struct Sums<B: Backend> {
    /// `Σ ∂ℓ/∂W` and `Σ (∂ℓ/∂W)²`, `[out, in]`.
    gradient: Tensor<B, 2>,
    squares: Tensor<B, 2>,
    /// `Σ x²`, `[1, in]`.
    inputs: Tensor<B, 2>,
}

impl<B: Backend> Sums<B> {
    fn of(text: Factors<B>) -> Self {
        let inputs = to_f32(text.inputs.clone());
        let inputs = (inputs.clone() * inputs).sum_dim(0);
        let gradient = text.gradient();
        Self { squares: gradient.clone() * gradient.clone(), gradient, inputs }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            gradient: self.gradient + other.gradient,
            squares: self.squares + other.squares,
            inputs: self.inputs + other.inputs,
        }
    }

    fn costs(
        self,
        path: &ParamPath,
        weight: Tensor<B, 2>,
        tokens: f64,
    ) -> Result<MatrixCost, AttribError> {
        let (shape, what) = (weight.dims(), ValuesOf::Param(path.clone()));
        let first = (weight.clone() * self.gradient).abs() / tokens;
        let second = weight.clone() * weight.clone() * self.squares * (0.5 / tokens);
        let norms = (self.inputs / tokens).sqrt();
        let output = weight.abs() * norms.clone();
        Ok(MatrixCost {
            path: path.clone(),
            shape,
            first_order: read(first, what.clone())?,
            second_order: read(second, what.clone())?,
            output: read(output, what.clone())?,
            input_norms: read(norms, what)?,
        })
    }
}

/// Sums the costs over texts, which `run` differentiates.
fn sum_up<B: AutodiffBackend, M: HookedModel<B>>(
    model: &M,
    neutral: &[Sequence],
    run: impl FnOnce(&[TokenBatch], &Loss<'_, M, B>, &mut TakeFactors<'_, B>) -> Result<(), ProbeError>,
    take: &mut TakeCost<'_>,
) -> Result<(), AttribError> {
    if neutral.is_empty() {
        return Err(AttribError::NoNeutral);
    }
    let texts = neutral.iter().enumerate().map(|(index, text)| as_answer(index, text));
    let texts: Vec<PromptCase> = texts.collect::<Result<_, _>>()?;
    let trees = texts.iter().enumerate().map(|(i, text)| {
        AnswerTree::new(i, &text.prompt, &text.answers, text.scale).map(|tree| [tree])
    });
    let trees: Vec<[AnswerTree<'_>; 1]> = trees.collect::<Result<_, _>>()?;
    // A text to a batch, so that there is no padding and each text has its own gradient.
    let batches = trees.iter().map(|tree| token_batch(tree)).collect::<Result<Vec<_>, _>>()?;
    let tokens = trees.iter().flatten().map(|tree| tree.branches.len()).sum::<usize>() as f64;
    let loss = |model: &M, i: usize, hidden: Tensor<B, 3>| {
        let own = trees[i].iter().map(|tree| &*tree.branches);
        Predicted::new(model, hidden, own, 1.0)?.worth(&vec![-1.0; trees[i][0].branches.len()])
    };
    let mut open: HashMap<ParamPath, Sums<B::InnerBackend>> = HashMap::new();
    let mut failed = None;
    let mut add = |first: usize, path: &ParamPath, own: Vec<Factors<B::InnerBackend>>| {
        let complete = first + own.len() == batches.len();
        let own = own.into_iter().map(Sums::of);
        let Some(sums) = open.remove(path).into_iter().chain(own).reduce(Sums::plus) else {
            return Ok(());
        };
        if !complete {
            open.insert(path.clone(), sums);
            return Ok(());
        }
        let weight = to_f32(model.weight(path)?.inner());
        sums.costs(path, weight, tokens).and_then(&mut *take).map_err(|error| match error {
            AttribError::Probe(error) => error,
            error => {
                failed = Some(error);
                ProbeError::NoGradient { path: path.clone() }
            }
        })
    };
    let done = run(&batches, &loss, &mut add);
    match failed {
        Some(error) => Err(error),
        None => Ok(done?),
    }
}
