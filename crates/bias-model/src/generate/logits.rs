use burn::tensor::{Tensor, backend::Backend};

use crate::error::ModelError;

/// Logits as numbers.
pub(crate) fn readable<B: Backend, const D: usize>(logits: Tensor<B, D>) -> Result<Vec<f32>, ModelError> {
    logits
        .into_data()
        .convert::<f32>()
        .into_vec::<f32>()
        .map_err(|e| ModelError::Readback { what: "logits", reason: format!("{e:?}") })
}

/// Whether logits make a distribution: weights so large that sums overflow do not.
pub(crate) fn are_numbers(logits: &[f32]) -> bool {
    let odd = |l: &f32| l.is_nan() || *l == f32::INFINITY;
    !logits.iter().any(odd) && logits.iter().any(|l| l.is_finite())
}
