use bias_probe::device::read_back;
use burn::tensor::{Tensor, backend::Backend};

use crate::error::ModelError;

/// Logits as numbers.
pub(crate) fn readable<B: Backend, const D: usize>(logits: Tensor<B, D>) -> Result<Vec<f32>, ModelError> {
    read_back(logits).map_err(|reason| ModelError::Readback { what: "logits", reason })
}

/// Whether logits make a distribution: weights so large that sums overflow do not.
pub(crate) fn are_numbers(logits: &[f32]) -> bool {
    let odd = |l: &f32| l.is_nan() || *l == f32::INFINITY;
    !logits.iter().any(odd) && logits.iter().any(|l| l.is_finite())
}
