//! Activations of a prompt as one vector: the mean over some of its tokens.

use bias_probe::device::read_back;
use bias_probe::{ProbeError, TokenBatch};
use bias_types::{Site, TokenRole};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

/// Each row's mean over the tokens that `wanted` picks by their roles, `[channels]` each. `nobody`
/// says what a row without such a token lacks.
pub(crate) fn pooled<B: Backend>(
    site: Site,
    batch: &TokenBatch,
    value: &Tensor<B, 3>,
    wanted: impl Fn(&[TokenRole]) -> Vec<usize>,
    nobody: &str,
) -> Result<Vec<Vec<f64>>, ProbeError> {
    let [rows, width, channels] = value.dims();
    let mut weights = vec![0f32; rows * width];
    for row in 0..rows {
        let own = wanted(&batch.roles()[row * width..(row + 1) * width]);
        if own.is_empty() {
            return Err(ProbeError::BadSequence { row, reason: nobody.into() });
        }
        for at in &own {
            weights[row * width + at] = 1.0 / own.len() as f32;
        }
    }
    let weights = TensorData::new(weights, [rows, 1, width]);
    let weights = Tensor::<B, 3>::from_data(weights, (&value.device(), value.dtype()));
    let taken = weights.matmul(value.clone());
    let taken = read_back(taken).map_err(|reason| ProbeError::Readback { site, reason })?;
    if !taken.iter().all(|own| own.is_finite()) {
        return Err(ProbeError::NotFinite { site });
    }
    Ok(taken
        .chunks_exact(channels)
        .map(|own| own.iter().map(|x| f64::from(*x)).collect())
        .collect())
}
