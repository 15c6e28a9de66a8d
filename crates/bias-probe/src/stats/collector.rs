use std::collections::BTreeMap;
use std::ops::Range;

use bias_cube::matmul;
use bias_types::{Site, TokenRole};
use burn::tensor::{Tensor, TensorData, backend::Backend};

use super::channel_stats::{ChannelStats, ROLES, Sums};
use crate::batch::token_batch::TokenBatch;
use crate::device::float::{f32_from, to_f32};
use crate::device::readback::read_back;
use crate::error::ProbeError;
use crate::hooks::channel_part::ChannelPart;
use crate::hooks::observer::Observer;
use crate::hooks::wanted_sites::WantedSites;

/// Streaming statistics of every channel at chosen sites, for any number of groups of
/// prompts in one pass, per token role.
///
/// Memory does not grow with the number of prompts. Padding never counts, and tokens count by their
/// [weights](crate::Sequence::weights). The batching of prompts changes nothing but f32 rounding
/// within a batch; batches are added in f64. Call [`next`](Self::next) before each pass to say
/// which group each row belongs to.
///
/// ```
/// use bias_types::{ModelDims, Site};
/// use bias_probe::{HookedModel, ProbeError, StatsCollector, TokenBatch};
/// use burn::tensor::backend::Backend;
///
/// fn gap<B: Backend>(model: &impl HookedModel<B>, batch: &TokenBatch) -> Result<Vec<f64>, ProbeError> {
///     let site: Site = "model.layers.0.mlp.down_proj.input".parse()?;
///     let mut stats = StatsCollector::new([site], ["white", "black"]);
///     // The batch's first half is about white-associated names.
///     stats.next((0..batch.rows()).map(|row| usize::from(row >= batch.rows() / 2)))?;
///     model.hidden(batch, &mut stats)?;
///     let stats = stats.finish()?;
///     let mean = |group| stats.of(site, group).map(|s| s.mean());
///     Ok(mean(0).zip(mean(1)).map_or(Vec::new(), |(a, b)| a.iter().zip(&b).map(|(a, b)| a - b).collect()))
/// }
/// ```
#[derive(Debug, Clone)]
pub struct StatsCollector {
    wanted: WantedSites,
    groups: Vec<String>,
    next: Next,
    max: bool,
    sums: BTreeMap<Site, Vec<[Sums; ROLES]>>,
    sequences: Vec<u64>,
    /// The first site of a pass, at which the pass is counted once.
    first: Option<Site>,
}

/// The groups of the rows of the next batches.
#[derive(Debug, Clone)]
enum Next {
    /// The group of each row of one pass, and whether that pass is still to begin.
    Rows(Vec<usize>, bool),
    /// One group for all rows, until it is set again.
    All(usize),
}

impl Next {
    /// The group of this row. The number of rows was checked before.
    fn of(&self, row: usize) -> usize {
        match self {
            Self::Rows(groups, _) => groups[row],
            Self::All(group) => *group,
        }
    }
}

impl StatsCollector {
    /// Collects at these sites, for groups of these names.
    pub fn new<N: Into<String>>(
        sites: impl IntoIterator<Item = Site>,
        groups: impl IntoIterator<Item = N>,
    ) -> Self {
        let groups: Vec<String> = groups.into_iter().map(Into::into).collect();
        Self {
            wanted: WantedSites::new(sites),
            sequences: vec![0; groups.len()],
            groups,
            next: Next::Rows(Vec::new(), false),
            max: false,
            sums: BTreeMap::new(),
            first: None,
        }
    }

    /// Also keeps the largest absolute value of each channel, which costs another pass
    /// over the activations.
    #[must_use]
    pub fn with_max(self) -> Self {
        Self { max: true, ..self }
    }

    /// The group, by number, of each row of the batch that runs next.
    ///
    /// # Errors
    /// [`ProbeError::NoSuchGroup`].
    pub fn next(&mut self, groups: impl IntoIterator<Item = usize>) -> Result<(), ProbeError> {
        let groups: Vec<usize> = groups.into_iter().collect();
        groups.iter().try_for_each(|group| self.check(*group))?;
        self.next = Next::Rows(groups, true);
        Ok(())
    }

    /// The group, by number, of all rows of all batches until the next call. Use it for passes that
    /// run [together](crate::HookedModel::observe_all).
    ///
    /// # Errors
    /// [`ProbeError::NoSuchGroup`].
    pub fn all(&mut self, group: usize) -> Result<(), ProbeError> {
        self.check(group)?;
        self.next = Next::All(group);
        Ok(())
    }

    fn check(&self, group: usize) -> Result<(), ProbeError> {
        let groups = self.groups.len();
        if group < groups { Ok(()) } else { Err(ProbeError::NoSuchGroup { group, groups }) }
    }

    /// The collected statistics, once every batch has run.
    ///
    /// # Errors
    /// [`ProbeError::NeverFired`] names wanted sites that no pass reached;
    /// [`ProbeError::NotFinite`] names a site with activations that are NaN or infinite.
    pub fn finish(self) -> Result<ChannelStats, ProbeError> {
        self.wanted.check()?;
        for (site, groups) in &self.sums {
            if groups.iter().flatten().any(|sums| !sums.is_finite()) {
                return Err(ProbeError::NotFinite { site: *site });
            }
        }
        Ok(ChannelStats::new(self.groups, self.sequences, self.max, self.sums))
    }
}

impl StatsCollector {
    /// Counts the pass at its first site.
    fn begin(&mut self, site: Site, batch: &TokenBatch) -> Result<(), ProbeError> {
        let begins = *self.first.get_or_insert(site) == site;
        if let Next::Rows(groups, fresh) = &mut self.next {
            if groups.len() != batch.rows() || (begins && !*fresh) {
                let reason = format!(
                    "the groups of {} rows were given for a batch of {}; say `next` before each pass",
                    if *fresh { groups.len() } else { 0 },
                    batch.rows()
                );
                return Err(ProbeError::BadSequence { row: batch.rows(), reason });
            }
            *fresh &= !begins;
        }
        self.wanted.fired(site);
        if begins {
            (0..batch.rows()).for_each(|row| self.sequences[self.next.of(row)] += 1);
        }
        Ok(())
    }

    /// The group and role of a token that is none of padding.
    fn place(&self, batch: &TokenBatch, cell: usize) -> Option<usize> {
        let role = TokenRole::REAL.iter().position(|role| *role == batch.roles()[cell])?;
        Some(self.next.of(cell / batch.width()) * ROLES + role)
    }

    /// The sums of a site that has `all` channels.
    fn sums(&mut self, site: Site, all: usize) -> &mut Vec<[Sums; ROLES]> {
        let (groups, max) = (self.groups.len(), self.max);
        self.sums.entry(site).or_insert_with(|| {
            (0..groups).map(|_| std::array::from_fn(|_| Sums::zero(all, max))).collect()
        })
    }

    /// Counts the tokens of a batch.
    fn count(&mut self, site: Site, batch: &TokenBatch, all: usize) {
        for cell in 0..batch.rows() * batch.width() {
            let Some(place) = self.place(batch, cell) else { continue };
            let weight = f64::from(batch.weights()[cell]);
            self.sums(site, all)[place / ROLES][place % ROLES].count += weight;
        }
    }

    /// Adds some channels, `[cells, channels]`, of some tokens.
    fn add<B: Backend>(
        &mut self,
        site: Site,
        batch: &TokenBatch,
        all: usize,
        (cells, channels, value): (&[usize], Range<usize>, Tensor<B, 2>),
    ) -> Result<(), ProbeError> {
        let (device, places) = (value.device(), self.groups.len() * ROLES);
        // One row per group and role: the weights of the tokens that belong to both, else 0.
        let mut weights = vec![0f32; places * cells.len()];
        for (at, cell) in cells.iter().enumerate() {
            if let Some(place) = self.place(batch, *cell) {
                weights[place * cells.len() + at] = batch.weights()[*cell];
            }
        }
        let flat = to_f32(value);
        let read = |tensor: Tensor<B, 2>| {
            read_back(tensor).map_err(|reason| ProbeError::Readback { site, reason })
        };
        let weight: Tensor<B, 2> =
            f32_from(TensorData::new(weights.clone(), [places, cells.len()]), &device);
        let sum = read(matmul(weight.clone(), flat.clone()))?;
        let square = read(matmul(weight, flat.clone() * flat.clone()))?;
        let largest = if self.max { read(flat)? } else { Vec::new() };
        let (max, width) = (self.max, channels.len());
        let own = self.sums(site, all);
        for place in 0..places {
            let sums = &mut own[place / ROLES][place % ROLES];
            let span = place * width..(place + 1) * width;
            let add = |to: &mut [f64], from: &[f32]| {
                to.iter_mut().zip(from).for_each(|(s, x)| *s += f64::from(*x));
            };
            add(&mut sums.sum[channels.clone()], &sum[span.clone()]);
            add(&mut sums.square[channels.clone()], &square[span]);
            if max {
                let here = &weights[place * cells.len()..(place + 1) * cells.len()];
                for (at, _) in here.iter().enumerate().filter(|(_, w)| **w > 0.0) {
                    let values = &largest[at * width..(at + 1) * width];
                    let most = sums.max[channels.clone()].iter_mut().zip(values);
                    most.for_each(|(m, x)| *m = m.max(f64::from(x.abs())));
                }
            }
        }
        Ok(())
    }
}

impl<B: Backend> Observer<B> for StatsCollector {
    fn wants(&self, site: Site) -> bool {
        self.wanted.contains(site) && !site.is_attention()
    }

    fn hidden(
        &mut self,
        site: Site,
        batch: &TokenBatch,
        value: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        self.begin(site, batch)?;
        let [rows, width, channels] = value.dims();
        let cells: Vec<usize> = (0..rows * width).collect();
        let flat = value.clone().reshape([rows * width, channels]);
        self.add(site, batch, channels, (&cells, 0..channels, flat))?;
        self.count(site, batch, channels);
        Ok(value)
    }

    fn parts(
        &mut self,
        site: Site,
        batch: &TokenBatch,
        channels: usize,
        parts: &[ChannelPart<B>],
    ) -> Result<bool, ProbeError> {
        self.begin(site, batch)?;
        for ChannelPart { cells, channels: own, value } in parts {
            self.add(site, batch, channels, (cells, own.clone(), value.clone()))?;
        }
        self.count(site, batch, channels);
        Ok(true)
    }
}
