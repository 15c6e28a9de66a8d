use std::fmt;

use bias_core::{ParamPath, Site};
use burn::tensor::{Tensor, backend::Backend};

use crate::AttribError;

/// What is read back from a device, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Readback {
    /// A matrix's weights or scores.
    Param(ParamPath),
    /// Activations of a site, or what was made of them.
    Site(Site),
    /// Probabilities of answers.
    Answers,
}

impl fmt::Display for Readback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Param(path) => path.fmt(f),
            Self::Site(site) => site.fmt(f),
            Self::Answers => f.write_str("the answers' probabilities"),
        }
    }
}

/// A tensor's values, row-major; refuses any that is not a number.
pub(crate) fn read<B: Backend, const D: usize>(
    tensor: Tensor<B, D>,
    what: Readback,
) -> Result<Vec<f32>, AttribError> {
    let values = tensor.into_data().convert::<f32>().to_vec::<f32>();
    let values =
        values.map_err(|e| AttribError::Readback { what: what.clone(), reason: format!("{e:?}") })?;
    if values.iter().all(|v| v.is_finite()) { Ok(values) } else { Err(AttribError::NotFinite { what }) }
}
