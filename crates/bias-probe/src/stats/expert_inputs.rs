use std::ops::Range;

use bias_types::{BlockSite, Site};
use burn::tensor::{Tensor, backend::Backend};

use crate::device::float::to_f32;
use crate::device::readback::read_back;
use crate::error::ProbeError;
use crate::hooks::wanted_sites::WantedSites;

/// What statistics of [`BlockSite::ExpertInputs`] are computed of: the input of a block's experts,
/// kept until the router has chosen among them. As a tensor, the inputs of all experts would be as
/// many times larger as there are experts.
#[derive(Debug, Clone, Default)]
pub(super) struct ExpertInputs {
    /// The block, and the input of each cell.
    kept: Option<(usize, Vec<f32>)>,
}

impl ExpertInputs {
    /// The site that is reached if the model shows this one, and its block.
    fn of(site: Site) -> Option<(usize, Site)> {
        match site {
            Site::Block(layer, BlockSite::MlpNorm | BlockSite::RouterWeights) => {
                Some((layer, Site::Block(layer, BlockSite::ExpertInputs)))
            }
            _ => None,
        }
    }

    /// Whether a site is needed for statistics of another that is wanted.
    pub(super) fn needs(wanted: &WantedSites, site: Site) -> bool {
        Self::of(site).is_some_and(|(_, of)| wanted.contains(of))
    }

    /// Takes what the model shows: a block's input, then the router's weights, `[batch, seq,
    /// experts]`. With the weights, returns which input reached which expert.
    ///
    /// # Errors
    /// [`ProbeError::Readback`]; [`ProbeError::NeverFired`] if the weights come first.
    pub(super) fn see<B: Backend>(
        &mut self,
        site: Site,
        value: &Tensor<B, 3>,
    ) -> Result<Option<Routed>, ProbeError> {
        let Some((layer, of)) = Self::of(site) else { return Ok(None) };
        let [rows, width, channels] = value.dims();
        let flat = to_f32(value.clone()).reshape([rows * width, channels]);
        let values = read_back(flat).map_err(|reason| ProbeError::Readback { site, reason })?;
        let input = Site::Block(layer, BlockSite::MlpNorm);
        if site == input {
            self.kept = Some((layer, values));
            return Ok(None);
        }
        let kept = self.kept.take().filter(|(own, _)| *own == layer);
        let Some((_, inputs)) = kept else {
            return Err(ProbeError::NeverFired { sites: vec![input] });
        };
        let d_model = inputs.len() / (rows * width).max(1);
        Ok(Some(Routed { site: of, experts: channels, d_model, weights: values, inputs }))
    }
}

/// The inputs of a block's experts.
pub(super) struct Routed {
    /// Where the statistics belong.
    pub site: Site,
    experts: usize,
    d_model: usize,
    weights: Vec<f32>,
    inputs: Vec<f32>,
}

impl Routed {
    /// The channels of the site.
    pub(super) fn channels(&self) -> usize {
        self.experts * self.d_model
    }

    /// For each cell and each expert that was chosen for it: the cell, the channels of the expert's
    /// input, and their values.
    pub(super) fn inputs(&self) -> impl Iterator<Item = (usize, Range<usize>, &[f32])> {
        let cells = self.weights.chunks_exact(self.experts.max(1)).enumerate();
        cells.flat_map(move |(cell, weights)| {
            let input = &self.inputs[cell * self.d_model..][..self.d_model];
            let chosen = weights.iter().enumerate().filter(|(_, weight)| **weight != 0.0);
            chosen.map(move |(expert, _)| {
                (cell, expert * self.d_model..(expert + 1) * self.d_model, input)
            })
        })
    }
}
