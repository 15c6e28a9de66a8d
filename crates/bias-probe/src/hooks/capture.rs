use std::collections::BTreeMap;
use std::path::Path;

use bias_files::{Tensor as Stored, save_tensors};
use bias_types::Site;
use burn::tensor::{Tensor, backend::Backend};

use super::observer::Observer;
use super::wanted_sites::WantedSites;
use crate::batch::token_batch::TokenBatch;
use crate::device::readback::read_back;
use crate::error::ProbeError;

/// Keeps whole activations of chosen sites, as f32 on the host.
///
/// Use it for a few prompts, not for a corpus: memory grows with the number of tokens. A capture
/// holds one forward pass; a later pass replaces it.
#[derive(Debug, Clone)]
pub struct Capture {
    wanted: WantedSites,
    seen: BTreeMap<Site, Captured>,
}

/// One captured activation, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Captured {
    /// `[batch, seq, channels]`, or `[batch, heads, query, key]` for a pattern.
    pub shape: Vec<usize>,
    /// The values.
    pub values: Vec<f32>,
}

#[cfg(feature = "ndarray-views")]
impl Captured {
    /// The values as an array of [`shape`](Self::shape), without a copy.
    ///
    /// ```
    /// use bias_probe::hooks::Captured;
    ///
    /// let captured = Captured { shape: vec![1, 2, 3], values: vec![0., 1., 2., 3., 4., 5.] };
    /// assert_eq!(captured.view()?[[0, 1, 2]], 5.0);
    /// # Ok::<(), ndarray::ShapeError>(())
    /// ```
    ///
    /// # Errors
    /// The values do not fill the shape. [`Capture`] never returns such values.
    pub fn view(&self) -> Result<ndarray::ArrayViewD<'_, f32>, ndarray::ShapeError> {
        ndarray::ArrayViewD::from_shape(self.shape.as_slice(), &self.values)
    }
}

impl Capture {
    /// Keeps these sites.
    pub fn new(sites: impl IntoIterator<Item = Site>) -> Self {
        Self { wanted: WantedSites::new(sites), seen: BTreeMap::new() }
    }

    /// The captured activations by site.
    ///
    /// # Errors
    /// [`ProbeError::NeverFired`] names wanted sites that were not reached.
    pub fn finish(self) -> Result<BTreeMap<Site, Captured>, ProbeError> {
        self.wanted.check()?;
        Ok(self.seen)
    }

    /// Writes the captured activations as safetensors, one tensor per site, by way of a temporary
    /// file.
    ///
    /// # Errors
    /// As [`finish`](Self::finish), and [`ProbeError::Write`].
    pub fn save(self, path: &Path) -> Result<(), ProbeError> {
        let seen = self.finish()?;
        let tensors = seen
            .iter()
            .map(|(site, own)| (site.to_string(), Stored::f32(own.shape.clone(), &own.values)));
        save_tensors(path, tensors, &BTreeMap::new())
            .map_err(|source| ProbeError::Write { path: path.into(), source })
    }

    fn keep<B: Backend, const D: usize>(
        &mut self,
        site: Site,
        value: &Tensor<B, D>,
    ) -> Result<(), ProbeError> {
        let values =
            read_back(value.clone()).map_err(|reason| ProbeError::Readback { site, reason })?;
        self.wanted.fired(site);
        self.seen.insert(site, Captured { shape: value.dims().to_vec(), values });
        Ok(())
    }
}

impl<B: Backend> Observer<B> for Capture {
    fn wants(&self, site: Site) -> bool {
        self.wanted.contains(site)
    }

    fn hidden(
        &mut self,
        site: Site,
        _: &TokenBatch,
        value: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        self.keep(site, &value)?;
        Ok(value)
    }

    fn attention(
        &mut self,
        site: Site,
        _: &TokenBatch,
        value: Tensor<B, 4>,
    ) -> Result<Tensor<B, 4>, ProbeError> {
        self.keep(site, &value)?;
        Ok(value)
    }
}
