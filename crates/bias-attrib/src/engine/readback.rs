use bias_probe::device::read_back;
use burn::tensor::{Tensor, backend::Backend};
use rayon::iter::ParallelIterator as _;
use rayon::slice::ParallelSlice as _;

use crate::error::{AttribError, ValuesOf};

/// A tensor's values, row-major; refuses any that is not a number.
pub(crate) fn read<B: Backend, const D: usize>(
    tensor: Tensor<B, D>,
    what: ValuesOf,
) -> Result<Vec<f32>, AttribError> {
    let values = read_any(tensor, &what)?;
    if finite(&values) { Ok(values) } else { Err(AttribError::NotFinite { what }) }
}

/// A tensor's values, whatever they are.
pub(crate) fn read_any<B: Backend, const D: usize>(
    tensor: Tensor<B, D>,
    what: &ValuesOf,
) -> Result<Vec<f32>, AttribError> {
    read_back(tensor).map_err(|reason| AttribError::Readback { what: what.clone(), reason })
}

/// Whether all are numbers.
pub(crate) fn finite(values: &[f32]) -> bool {
    const SIDE_BY_SIDE: usize = 1 << 16;
    let finite = |some: &[f32]| some.iter().all(|v| v.is_finite());
    if values.len() <= SIDE_BY_SIDE { finite(values) } else { values.par_chunks(SIDE_BY_SIDE).all(finite) }
}
