use bias_probe::ProbeError;
use bias_probe::device::read_back;
use bias_types::Site;
use burn::tensor::{Tensor, TensorData, backend::Backend};
use rayon::iter::ParallelIterator as _;
use rayon::slice::ParallelSlice as _;

use crate::error::{AttribError, ValuesOf};

/// A tensor's values, row-major. Refuses NaN and infinite values.
pub(crate) fn read<B: Backend, const D: usize>(
    tensor: Tensor<B, D>,
    what: ValuesOf,
) -> Result<Vec<f32>, AttribError> {
    let values = read_any(tensor, &what)?;
    if finite(&values) { Ok(values) } else { Err(AttribError::NotFinite { what }) }
}

/// A tensor's values, row-major, NaN and infinite ones included.
pub(crate) fn read_any<B: Backend, const D: usize>(
    tensor: Tensor<B, D>,
    what: &ValuesOf,
) -> Result<Vec<f32>, AttribError> {
    read_back(tensor).map_err(|reason| AttribError::Readback { what: what.clone(), reason })
}

/// A site's values, for observers. Refuses NaN and infinite values.
pub(crate) fn read_site<B: Backend, const D: usize>(
    tensor: Tensor<B, D>,
    site: Site,
) -> Result<Vec<f32>, ProbeError> {
    of_site(tensor.into_data().convert::<f32>(), site)
}

/// Values that cannot be read are an error of their own, not `NotFinite`.
fn of_site(data: TensorData, site: Site) -> Result<Vec<f32>, ProbeError> {
    let values = data.into_vec::<f32>();
    let values = values.map_err(|e| ProbeError::Readback { site, reason: format!("{e:?}") })?;
    if finite(&values) { Ok(values) } else { Err(ProbeError::NotFinite { site }) }
}

/// Whether all are finite.
pub(crate) fn finite(values: &[f32]) -> bool {
    const SIDE_BY_SIDE: usize = 1 << 16;
    let finite = |some: &[f32]| some.iter().all(|v| v.is_finite());
    if values.len() <= SIDE_BY_SIDE {
        finite(values)
    } else {
        values.par_chunks(SIDE_BY_SIDE).all(finite)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_to_read_is_not_a_number_that_is_none() {
        let site = Site::Embedding;
        let of = |values: Vec<f32>| of_site(TensorData::new(values, [2]), site);
        assert_eq!(of(vec![1.0, 2.0]).unwrap(), [1.0, 2.0]);
        assert!(matches!(of(vec![1.0, f32::NAN]), Err(ProbeError::NotFinite { .. })));
        let unread = of_site(TensorData::new(vec![1i64, 2], [2]), site);
        assert!(matches!(unread, Err(ProbeError::Readback { .. })), "{unread:?}");
    }
}
