use std::collections::BTreeMap;
use std::ops::Range;

use bias_cube::matmul;
use bias_types::{ModelDims, Site, TokenRole};
use burn::tensor::{Tensor, backend::Backend};

use super::channel_stats::ROLES;
use crate::batch::token_batch::TokenBatch;
use crate::device::float::to_f32;
use crate::device::readback::read_back;
use crate::error::ProbeError;
use crate::hooks::channel_part::ChannelPart;
use crate::hooks::model::HookedModel;
use crate::hooks::observer::Observer;
use crate::hooks::wanted_sites::WantedSites;
use crate::threads::in_threads;

/// Streaming sums of squares of every channel at chosen sites, per token role.
///
/// Wanda (Sun et al. 2023) needs these sums: for each input channel `j` of a linear map,
/// `Σ_n Σ_t x²` over sequences `n` and their tokens `t`. Padding never counts, and tokens count by
/// their [weights](crate::Sequence::weights). The batching of prompts changes nothing but f32
/// rounding within a batch; batches are added in f64.
///
/// Run any number of batches with it, then [`finish`](Self::finish).
#[derive(Debug, Clone)]
pub struct SquareSums {
    wanted: WantedSites,
    sums: BTreeMap<Site, [Vec<f64>; ROLES]>,
    sequences: u64,
    /// The first site of a forward pass, at which the pass is counted once.
    first: Option<Site>,
}

/// Finished sums of squares: see [`SquareSums`].
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelSquares {
    sums: BTreeMap<Site, [Vec<f64>; ROLES]>,
    sequences: u64,
}

impl SquareSums {
    /// Sums squares at these sites.
    pub fn new(sites: impl IntoIterator<Item = Site>) -> Self {
        Self { wanted: WantedSites::new(sites), sums: BTreeMap::new(), sequences: 0, first: None }
    }

    /// Sums squares at the input of every prunable matrix
    /// ([`statistics_site`](ModelDims::statistics_site)).
    #[must_use]
    pub fn linear_inputs(dims: &ModelDims) -> Self {
        Self::new(dims.projections().map(|(_, layer, p)| dims.statistics_site(layer, p)))
    }

    /// Runs batches side by side, each thread with its own handle on the model, and adds up the
    /// sums. It helps on CPUs, where everything but matrix products uses one core. The result
    /// depends neither on the number of threads nor on earlier sums. A model that reads its weights
    /// while it runs would read them for every batch; for such a model use
    /// [`observe_all`](HookedModel::observe_all).
    ///
    /// # Errors
    /// As the model's passes and [`finish`](Self::finish); [`ProbeError::EmptyBatch`] without
    /// batches.
    pub fn side_by_side<B: Backend, M: HookedModel<B> + Clone + Send>(
        &self,
        model: &M,
        batches: &[TokenBatch],
        threads: usize,
    ) -> Result<ChannelSquares, ProbeError> {
        let each = |model: &mut M, batch: &TokenBatch| {
            let mut sums = Self { sums: BTreeMap::new(), sequences: 0, ..self.clone() };
            model.hidden(batch, &mut sums)?;
            sums.finish()
        };
        let mut done = in_threads(threads, |_| model.clone(), batches, each)?.into_iter();
        let first = done.next().ok_or(ProbeError::EmptyBatch)?;
        done.try_fold(first, |sum, own| sum.merge(&own))
    }

    /// The sums, once every batch has run.
    ///
    /// # Errors
    /// [`ProbeError::NeverFired`] names wanted sites that no forward pass reached;
    /// [`ProbeError::NotFinite`] names a site with activations that are NaN or infinite.
    pub fn finish(self) -> Result<ChannelSquares, ProbeError> {
        self.wanted.check()?;
        for (site, roles) in &self.sums {
            if roles.iter().flatten().any(|s| !s.is_finite()) {
                return Err(ProbeError::NotFinite { site: *site });
            }
        }
        Ok(ChannelSquares { sums: self.sums, sequences: self.sequences })
    }
}

impl SquareSums {
    fn begin(&mut self, site: Site, batch: &TokenBatch) {
        self.wanted.fired(site);
        if *self.first.get_or_insert(site) == site {
            self.sequences += batch.rows() as u64;
        }
    }

    /// Adds some channels of a site that has `all`: the weights of tokens by role, `[roles, cells]`,
    /// and the values, `[cells, channels]`.
    fn add<B: Backend>(
        &mut self,
        site: Site,
        all: usize,
        channels: Range<usize>,
        (weights, value): (Tensor<B, 2>, Tensor<B, 2>),
    ) -> Result<(), ProbeError> {
        let flat = to_f32(value);
        let per_role = matmul(weights, flat.clone() * flat);
        let data = read_back(per_role).map_err(|reason| ProbeError::Readback { site, reason })?;
        let sums = self.sums.entry(site).or_insert_with(|| std::array::from_fn(|_| vec![0.0; all]));
        for (sum, row) in sums.iter_mut().zip(data.chunks_exact(channels.len().max(1))) {
            for (s, x) in sum[channels.clone()].iter_mut().zip(row) {
                *s += f64::from(*x);
            }
        }
        Ok(())
    }
}

impl<B: Backend> Observer<B> for SquareSums {
    fn wants(&self, site: Site) -> bool {
        self.wanted.contains(site)
    }

    fn hidden(
        &mut self,
        site: Site,
        batch: &TokenBatch,
        value: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        self.begin(site, batch);
        let [rows, width, channels] = value.dims();
        let flat = value.clone().reshape([rows * width, channels]);
        let weights = batch.role_weights(&TokenRole::REAL, &value.device());
        self.add(site, channels, 0..channels, (weights, flat))?;
        Ok(value)
    }

    fn parts(
        &mut self,
        site: Site,
        batch: &TokenBatch,
        channels: usize,
        parts: &[ChannelPart<B>],
    ) -> Result<bool, ProbeError> {
        self.begin(site, batch);
        for ChannelPart { cells, channels: own, value } in parts {
            let weights = batch.weights_of(&TokenRole::REAL, cells, &value.device());
            self.add(site, channels, own.clone(), (weights, value.clone()))?;
        }
        Ok(true)
    }
}

impl ChannelSquares {
    /// Number of sequences seen (`N` of the Wanda score).
    #[must_use]
    pub fn sequences(&self) -> u64 {
        self.sequences
    }

    /// The sites, in forward order.
    pub fn sites(&self) -> impl Iterator<Item = Site> {
        self.sums.keys().copied()
    }

    /// `Σ_n Σ_t x²` per channel over tokens of these roles, or `None` for a site that was not asked
    /// for.
    #[must_use]
    pub fn sums(&self, site: Site, roles: &[TokenRole]) -> Option<Vec<f64>> {
        let per_role = self.sums.get(&site)?;
        let mut total = vec![0.0; per_role[0].len()];
        for (role, sums) in TokenRole::REAL.iter().zip(per_role) {
            if roles.contains(role) {
                total.iter_mut().zip(sums).for_each(|(t, s)| *t += s);
            }
        }
        Some(total)
    }

    /// `sqrt((1/N) Σ_n Σ_t x²)` per channel over every real token: the activation
    /// factor of the Wanda score.
    #[must_use]
    pub fn norms(&self, site: Site) -> Option<Vec<f64>> {
        let n = self.sequences.max(1) as f64;
        Some(self.sums(site, &TokenRole::REAL)?.into_iter().map(|s| (s / n).sqrt()).collect())
    }

    /// Adds the sums of another shard of the same prompts.
    ///
    /// # Errors
    /// [`ProbeError::Mismatch`] when the sites or their widths differ.
    pub fn merge(mut self, other: &Self) -> Result<Self, ProbeError> {
        let same = self.sums.len() == other.sums.len()
            && self
                .sums
                .iter()
                .zip(&other.sums)
                .all(|((a, x), (b, y))| a == b && x[0].len() == y[0].len());
        if !same {
            return Err(ProbeError::Mismatch { left: self.sums.len(), right: other.sums.len() });
        }
        for (mine, theirs) in self.sums.values_mut().zip(other.sums.values()) {
            for (a, b) in mine.iter_mut().flatten().zip(theirs.iter().flatten()) {
                *a += b;
            }
        }
        self.sequences += other.sequences;
        Ok(self)
    }
}
