use std::collections::BTreeMap;

use bias_cube::matmul;
use bias_types::{Site, TokenRole};
use burn::tensor::{Tensor, TensorData, backend::Backend};

use super::channel_stats::{ChannelStats, ROLES, Sums};
use super::expert_inputs::ExpertInputs;
use crate::batch::token_batch::TokenBatch;
use crate::device::float::{f32_from, to_f32};
use crate::device::readback::read_back;
use crate::error::ProbeError;
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
    expert_inputs: ExpertInputs,
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
            expert_inputs: ExpertInputs::default(),
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
    fn see_experts<B: Backend>(
        &mut self,
        site: Site,
        batch: &TokenBatch,
        value: &Tensor<B, 3>,
    ) -> Result<(), ProbeError> {
        let Some(routed) = self.expert_inputs.see(site, value)? else { return Ok(()) };
        self.wanted.fired(routed.site);
        let (groups, width) = (self.groups.len(), batch.width());
        let own = self
            .sums
            .entry(routed.site)
            .or_insert_with(|| zeros(groups, routed.channels(), self.max));
        let place = |cell: usize| {
            let role = TokenRole::REAL.iter().position(|role| *role == batch.roles()[cell])?;
            Some((self.next.of(cell / width), role, f64::from(batch.weights()[cell])))
        };
        for (group, role, weight) in (0..batch.rows() * width).filter_map(place) {
            own[group][role].count += weight;
        }
        for (cell, channels, input) in routed.inputs() {
            let Some((group, role, weight)) = place(cell) else { continue };
            let sums = &mut own[group][role];
            for (at, x) in channels.zip(input.iter().map(|x| f64::from(*x))) {
                sums.sum[at] += weight * x;
                sums.square[at] += weight * x * x;
                if self.max && weight > 0.0 {
                    sums.max[at] = sums.max[at].max(x.abs());
                }
            }
        }
        Ok(())
    }
}

fn zeros(groups: usize, channels: usize, max: bool) -> Vec<[Sums; ROLES]> {
    (0..groups).map(|_| std::array::from_fn(|_| Sums::zero(channels, max))).collect()
}

impl<B: Backend> Observer<B> for StatsCollector {
    fn wants(&self, site: Site) -> bool {
        let needed = self.wanted.contains(site) || ExpertInputs::needs(&self.wanted, site);
        needed && !site.is_attention()
    }

    fn hidden(
        &mut self,
        site: Site,
        batch: &TokenBatch,
        value: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
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
        if begins {
            (0..batch.rows()).for_each(|row| self.sequences[self.next.of(row)] += 1);
        }
        if ExpertInputs::needs(&self.wanted, site) {
            self.see_experts(site, batch, &value)?;
        }
        if !self.wanted.contains(site) {
            return Ok(value);
        }
        self.wanted.fired(site);
        let [rows, width, channels] = value.dims();
        let (device, cells) = (value.device(), rows * width);
        let groups = self.groups.len();
        // One row per group and role: the weights of the tokens that belong to both, else 0.
        let mut weights = vec![0f32; groups * ROLES * cells];
        let mut counts = vec![0f64; groups * ROLES];
        for (cell, (role, weight)) in batch.roles().iter().zip(batch.weights()).enumerate() {
            let Some(role) = TokenRole::REAL.iter().position(|r| r == role) else { continue };
            let place = self.next.of(cell / width) * ROLES + role;
            weights[place * cells + cell] = *weight;
            counts[place] += f64::from(*weight);
        }
        let flat = to_f32(value.clone()).reshape([cells, channels]);
        let read = |tensor: Tensor<B, 2>| {
            read_back(tensor).map_err(|reason| ProbeError::Readback { site, reason })
        };
        let places = groups * ROLES;
        let weight: Tensor<B, 2> =
            f32_from(TensorData::new(weights.clone(), [places, cells]), &device);
        let sum = read(matmul(weight.clone(), flat.clone()))?;
        let square = read(matmul(weight, flat.clone() * flat.clone()))?;
        let largest = if self.max { read(flat)? } else { Vec::new() };
        let own = self.sums.entry(site).or_insert_with(|| zeros(groups, channels, self.max));
        for (place, count) in counts.into_iter().enumerate() {
            let sums = &mut own[place / ROLES][place % ROLES];
            sums.count += count;
            let span = place * channels..(place + 1) * channels;
            sums.sum.iter_mut().zip(&sum[span.clone()]).for_each(|(s, x)| *s += f64::from(*x));
            sums.square.iter_mut().zip(&square[span]).for_each(|(s, x)| *s += f64::from(*x));
            if self.max {
                let here = &weights[place * cells..(place + 1) * cells];
                for (cell, _) in here.iter().enumerate().filter(|(_, w)| **w > 0.0) {
                    let values = &largest[cell * channels..(cell + 1) * channels];
                    sums.max
                        .iter_mut()
                        .zip(values)
                        .for_each(|(m, x)| *m = m.max(f64::from(x.abs())));
                }
            }
        }
        Ok(value)
    }
}
