use std::fmt;

use bias_core::{ParamPath, Site};
use burn::tensor::{Tensor, backend::Backend};
use rayon::iter::ParallelIterator as _;
use rayon::slice::ParallelSlice as _;

use crate::AttribError;

/// What values are of, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValuesOf {
    /// A matrix's weights or scores.
    Param(ParamPath),
    /// Activations of a site, or what was made of them.
    Site(Site),
    /// Probabilities of answers.
    Answers,
    /// A tensor of a file.
    Tensor(String),
}

impl fmt::Display for ValuesOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Param(path) => path.fmt(f),
            Self::Site(site) => site.fmt(f),
            Self::Tensor(name) => f.write_str(name),
            Self::Answers => f.write_str("the answers' probabilities"),
        }
    }
}

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
    let values = tensor.into_data().convert::<f32>().into_vec::<f32>();
    values.map_err(|e| AttribError::Readback { what: what.clone(), reason: format!("{e:?}") })
}

/// Whether all are numbers.
pub(crate) fn finite(values: &[f32]) -> bool {
    const SIDE_BY_SIDE: usize = 1 << 16;
    let finite = |some: &[f32]| some.iter().all(|v| v.is_finite());
    if values.len() <= SIDE_BY_SIDE { finite(values) } else { values.par_chunks(SIDE_BY_SIDE).all(finite) }
}
