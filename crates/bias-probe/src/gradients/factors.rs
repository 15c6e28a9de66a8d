use std::collections::BTreeMap;
use std::ops::Range;

use bias_cube::matmul;
use bias_types::{ModelDims, ParamPath, Projection, Site};
use burn::tensor::{
    Tensor,
    backend::{AutodiffBackend, Backend},
};

use crate::batch::token_batch::TokenBatch;
use crate::device::float::to_f32;
use crate::error::ProbeError;
use crate::hooks::model::HookedModel;
use crate::hooks::observer::Observer;

/// The two factors of the gradient of a loss with respect to a matrix: the matrix's input at every
/// token, and the gradient of the loss with respect to its output.
///
/// The gradient itself, [`slopesᵀ · inputs`](Self::gradient), is as large as the matrix. The
/// factors are as large as the batch. [One product](Self::together) adds up the gradients of
/// several batches.
#[derive(Debug, Clone)]
pub struct Factors<B: Backend> {
    /// `[tokens, in]`
    pub inputs: Tensor<B, 2>,
    /// `[tokens, out]`
    pub slopes: Tensor<B, 2>,
}

/// Several matrices, each with its factors.
pub type OfMatrices<B> = Vec<(ParamPath, Factors<B>)>;

impl<B: Backend> Factors<B> {
    /// `[out, in]`, in f32 at least.
    #[must_use]
    pub fn gradient(self) -> Tensor<B, 2> {
        to_f32(matmul(self.slopes.transpose(), self.inputs))
    }

    /// Some rows of the gradient.
    ///
    /// # Panics
    /// If the range is empty or the matrix has fewer rows.
    #[must_use]
    pub fn of_rows(&self, rows: Range<usize>) -> Self {
        Self {
            inputs: self.inputs.clone(),
            slopes: self.slopes.clone().narrow(1, rows.start, rows.len()),
        }
    }

    /// The factors of several passes through one matrix, concatenated. Their gradient is the sum of
    /// the passes' gradients. `None` if there is no pass.
    #[must_use]
    pub fn together(all: Vec<Self>) -> Option<Self> {
        if all.len() < 2 {
            return all.into_iter().next();
        }
        let (inputs, slopes) = all.into_iter().map(|own| (own.inputs, own.slopes)).unzip();
        Some(Self { inputs: Tensor::cat(inputs, 0), slopes: Tensor::cat(slopes, 0) })
    }
}

/// Observes a pass, after which it returns the [`Factors`] of every matrix. No weight needs to be
/// tracked, and no gradient as large as a weight is made.
///
/// A tracked zero is added to each matrix's output. The gradient of the loss with respect to that
/// zero is the gradient with respect to the output.
///
/// ```
/// use bias_probe::gradients::FactorTrace;
/// use bias_probe::{HookedModel, ProbeError, TokenBatch};
/// use burn::tensor::{Tensor, backend::AutodiffBackend};
///
/// /// The gradient of the sum of the final norm's output with respect to every matrix.
/// fn gradients<B: AutodiffBackend>(
///     model: &impl HookedModel<B>, batch: &TokenBatch,
/// ) -> Result<Vec<Tensor<B::InnerBackend, 2>>, ProbeError> {
///     let mut trace = FactorTrace::new(model.dims());
///     let loss = model.hidden(batch, &mut trace)?.sum();
///     let found = trace.finish(&mut loss.backward())?;
///     Ok(found.into_iter().map(|(_, factors)| factors.gradient()).collect())
/// }
/// ```
#[derive(Debug)]
pub struct FactorTrace<B: AutodiffBackend> {
    dims: ModelDims,
    layers: Range<usize>,
    /// Sites before a matrix, and their activations.
    inputs: BTreeMap<Site, Option<Tensor<B::InnerBackend, 3>>>,
    /// Sites behind a matrix, and the zero that was added.
    zeros: BTreeMap<Site, Option<Tensor<B, 3>>>,
}

impl<B: AutodiffBackend> FactorTrace<B> {
    /// Traces every matrix of a model.
    #[must_use]
    pub fn new(dims: &ModelDims) -> Self {
        Self::of_layers(dims, 0..dims.layers)
    }

    /// Traces the matrices of some blocks, for a pass that runs only those.
    #[must_use]
    pub fn of_layers(dims: &ModelDims, layers: Range<usize>) -> Self {
        let sites = |of: fn(Projection, usize) -> Site| {
            let all = layers.clone().flat_map(|l| dims.block_projections().map(move |p| of(p, l)));
            all.collect::<Vec<_>>()
        };
        Self {
            dims: *dims,
            inputs: sites(Projection::input_site).into_iter().map(|site| (site, None)).collect(),
            zeros: sites(Projection::output_site).into_iter().map(|site| (site, None)).collect(),
            layers,
        }
    }

    /// Every matrix's factors, in forward order. `gradients` are those of a loss that is computed
    /// from the observed pass.
    ///
    /// # Errors
    /// [`ProbeError::NeverFired`] for sites that the pass did not reach; [`ProbeError::NoGradient`]
    /// for a matrix that the loss does not depend on.
    pub fn finish(
        self,
        gradients: &mut B::Gradients,
    ) -> Result<OfMatrices<B::InnerBackend>, ProbeError> {
        let Self { dims, layers, inputs, zeros } = self;
        let all = layers.flat_map(|layer| dims.block_projections().map(move |p| (layer, p)));
        let factors = all.map(|(layer, projection)| {
            let path = ParamPath::of(layer, projection);
            let (before, behind) = (projection.input_site(layer), projection.output_site(layer));
            let never = |site| ProbeError::NeverFired { sites: vec![site] };
            let input = inputs.get(&before).and_then(Option::clone).ok_or_else(|| never(before))?;
            let zero = zeros.get(&behind).and_then(Option::as_ref).ok_or_else(|| never(behind))?;
            let slope = zero.grad_remove(gradients);
            let slope = slope.ok_or_else(|| ProbeError::NoGradient { path: path.clone() })?;
            Ok((path, Factors { inputs: flat(input), slopes: flat(slope) }))
        });
        factors.collect()
    }
}

/// `[rows, width, channels]` → `[rows · width, channels]`.
fn flat<B: Backend>(value: Tensor<B, 3>) -> Tensor<B, 2> {
    let [rows, width, channels] = value.dims();
    value.reshape([rows * width, channels])
}

/// A tracked zero of a tensor's shape and type. Added to the tensor, it receives the gradient that
/// reaches the tensor, and the graph before the tensor stays as it was. It takes no memory, because
/// it is a view of one number.
pub fn tracked_zero<B: AutodiffBackend>(value: &Tensor<B, 3>) -> Tensor<B, 3> {
    let zero = Tensor::<B::InnerBackend, 3>::zeros([1, 1, 1], (&value.device(), value.dtype()));
    Tensor::from_inner(zero.expand(value.dims())).require_grad()
}

impl<B: AutodiffBackend> Observer<B> for FactorTrace<B> {
    fn wants(&self, site: Site) -> bool {
        self.inputs.contains_key(&site) || self.zeros.contains_key(&site)
    }

    fn hidden(
        &mut self,
        site: Site,
        _: &TokenBatch,
        value: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        if let Some(input) = self.inputs.get_mut(&site) {
            *input = Some(value.clone().inner());
        }
        let Some(zero) = self.zeros.get_mut(&site) else { return Ok(value) };
        let own = tracked_zero(&value);
        *zero = Some(own.clone());
        Ok(value + own)
    }
}

/// Every matrix's factors in a pass, in forward order. `loss` makes a scalar of the final norm's
/// output.
///
/// # Errors
/// As [`hidden`](HookedModel::hidden) and [`FactorTrace::finish`], and the loss's own.
pub fn factors<B: AutodiffBackend, M: HookedModel<B>>(
    model: &M,
    batch: &TokenBatch,
    loss: impl FnOnce(&M, Tensor<B, 3>) -> Result<Tensor<B, 1>, ProbeError>,
) -> Result<OfMatrices<B::InnerBackend>, ProbeError> {
    let mut trace = FactorTrace::new(model.dims());
    let hidden = model.hidden(batch, &mut trace)?;
    trace.finish(&mut loss(model, hidden)?.backward())
}

/// Least and largest number of tokens whose factors are held at a time.
const TOKENS: std::ops::RangeInclusive<usize> = 512..=1024;

/// Numbers that may be held in any case: 128 MiB of them.
const FEW: usize = 1 << 25;

/// Number of tokens whose factors are held at a time, padding included. As far as the limits allow,
/// their factors hold no more numbers than the model has weights. It depends on nothing else, so
/// that sums over the factors are always taken in the same order.
#[must_use]
pub fn tokens_at_a_time(dims: &ModelDims) -> usize {
    let each: usize = dims
        .projections()
        .map(|(_, _, projection)| dims.shape(projection).iter().sum::<usize>())
        .sum();
    let fit = dims.prunable_weights().max(FEW) / each.max(1);
    fit.clamp(*TOKENS.start(), *TOKENS.end())
}

/// Ranges of batches whose factors [`factors_all`](crate::DifferentiableModel::factors_all) hands
/// out together. Each holds about [this many tokens](tokens_at_a_time), whichever model runs them.
#[must_use]
pub fn waves(dims: &ModelDims, batches: &[TokenBatch]) -> Vec<Range<usize>> {
    let most = tokens_at_a_time(dims);
    let mut waves: Vec<Range<usize>> = Vec::new();
    let mut tokens = 0;
    for (i, batch) in batches.iter().enumerate() {
        let more = batch.rows() * batch.width();
        match waves.last_mut() {
            Some(last) if tokens + more <= most => {
                last.end = i + 1;
                tokens += more;
            }
            _ => {
                waves.push(i..i + 1);
                tokens = more;
            }
        }
    }
    waves
}

/// Hands out the factors of several passes matrix by matrix. Every pass lists its matrices in the
/// same order.
///
/// # Errors
/// Those of `take`.
pub fn by_matrix<B: Backend>(
    found: Vec<OfMatrices<B>>,
    mut take: impl FnMut(&ParamPath, Vec<Factors<B>>) -> Result<(), ProbeError>,
) -> Result<(), ProbeError> {
    let mut passes: Vec<_> = found.into_iter().map(Vec::into_iter).collect();
    let Some((first, others)) = passes.split_first_mut() else { return Ok(()) };
    for (path, own) in first {
        let others = others.iter_mut().filter_map(|pass| Some(pass.next()?.1));
        take(&path, std::iter::once(own).chain(others).collect())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bias_types::TokenRole;

    use super::*;
    use crate::batch::sequence::Sequence;

    #[test]
    fn waves_hold_as_many_tokens_as_fit_and_all_batches() {
        let dims = |layers, d_model| ModelDims {
            layers,
            d_model,
            heads: 4,
            kv_heads: 4,
            d_head: d_model / 4,
            d_mlp: 4 * d_model,
            gated: true,
            vocab: 10,
            experts: None,
        };
        let (small, large) = (dims(2, 64), dims(32, 4096));
        assert_eq!([&small, &dims(30, 576), &large].map(tokens_at_a_time), [1024, 512, 1024]);
        let batch = |tokens: usize| {
            TokenBatch::new(&[
                Sequence::chain(vec![1; tokens], vec![TokenRole::Prompt; tokens]).unwrap()
            ])
        };
        let batches: Vec<_> = [600, 400, 24, 1, 3000, 8].map(|n| batch(n).unwrap()).into();
        assert_eq!(waves(&small, &batches), [0..3, 3..4, 4..5, 5..6]);
        assert!(waves(&small, &[]).is_empty());
    }
}
