use std::collections::BTreeMap;

use bias_types::{Site, TokenRole};
use burn::tensor::{Int, Tensor, TensorData, backend::Backend};

use super::capture::Captured;
use super::observer::Observer;
use crate::batch::token_batch::TokenBatch;
use crate::error::ProbeError;

/// The token of another run that an activation is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Alignment {
    /// The token at the same position. Rows must be equally long.
    Position,
    /// The mean over the other row's tokens of the same role, so that names with different numbers
    /// of tokens can be exchanged.
    RoleMean,
}

/// Activation patching: puts the activations of another run into this one, row by row,
/// at some sites and for tokens of some roles (Meng et al. 2022; Wang et al. 2023).
///
/// It is made from a [`Capture`](crate::Capture) of the other run and the batch of that run. The
/// result is exact, because the forward pass continues with the patched activations. Each row takes
/// activations from the row with the same number.
#[derive(Debug, Clone)]
pub struct Patch<'a> {
    source: &'a BTreeMap<Site, Captured>,
    source_batch: &'a TokenBatch,
    alignment: Alignment,
    roles: Vec<TokenRole>,
    sites: BTreeMap<Site, bool>,
}

impl<'a> Patch<'a> {
    /// Patches these sites, which the capture must hold, for tokens of every role.
    ///
    /// # Errors
    /// [`ProbeError::NotCaptured`] for a site that the capture does not hold or that is
    /// of attention.
    pub fn new(
        sites: impl IntoIterator<Item = Site>,
        source: &'a BTreeMap<Site, Captured>,
        source_batch: &'a TokenBatch,
        alignment: Alignment,
    ) -> Result<Self, ProbeError> {
        let mut wanted = BTreeMap::new();
        for site in sites {
            if site.is_attention() || !source.contains_key(&site) {
                return Err(ProbeError::NotCaptured { site });
            }
            wanted.insert(site, false);
        }
        Ok(Self { source, source_batch, alignment, roles: TokenRole::REAL.to_vec(), sites: wanted })
    }

    /// Leaves tokens of other roles as they are.
    #[must_use]
    pub fn on(self, roles: &[TokenRole]) -> Self {
        Self { roles: roles.to_vec(), ..self }
    }

    /// Fails if a site was never reached.
    ///
    /// # Errors
    /// [`ProbeError::NeverFired`].
    pub fn finish(self) -> Result<(), ProbeError> {
        let sites: Vec<Site> =
            self.sites.into_iter().filter(|(_, fired)| !fired).map(|(s, _)| s).collect();
        if sites.is_empty() { Ok(()) } else { Err(ProbeError::NeverFired { sites }) }
    }

    /// For each cell of a batch, the activation to put there.
    fn replacement(
        &self,
        site: Site,
        batch: &TokenBatch,
    ) -> Result<Vec<Option<Vec<f32>>>, ProbeError> {
        let (own, other) = (batch, self.source_batch);
        let captured = self.source.get(&site).ok_or(ProbeError::NotCaptured { site })?;
        let channels = captured.shape.last().copied().unwrap_or(0);
        let misfit =
            |row: usize, reason: &str| ProbeError::BadSequence { row, reason: reason.into() };
        if own.rows() != other.rows()
            || captured.values.len() != other.rows() * other.width() * channels
        {
            return Err(misfit(
                own.rows(),
                "a patch takes each row from the same row of the run it was made from",
            ));
        }
        let at = |cell: usize| &captured.values[cell * channels..(cell + 1) * channels];
        let mut cells = Vec::with_capacity(own.rows() * own.width());
        for row in 0..own.rows() {
            let roles = |batch: &'a TokenBatch| {
                &batch.roles()[row * batch.width()..(row + 1) * batch.width()]
            };
            let theirs = roles(other);
            let ours = &own.roles()[row * own.width()..(row + 1) * own.width()];
            let real =
                |roles: &[TokenRole]| roles.iter().filter(|r| **r != TokenRole::Padding).count();
            if self.alignment == Alignment::Position && real(ours) != real(theirs) {
                return Err(misfit(
                    row,
                    "it is not as long as the row it would take activations from",
                ));
            }
            let mut means: BTreeMap<TokenRole, Vec<f32>> = BTreeMap::new();
            for (column, role) in ours.iter().enumerate() {
                if *role == TokenRole::Padding || !self.roles.contains(role) {
                    cells.push(None);
                    continue;
                }
                cells.push(Some(match self.alignment {
                    Alignment::Position => at(row * other.width() + column).to_vec(),
                    Alignment::RoleMean => {
                        if !means.contains_key(role) {
                            let of_role: Vec<usize> =
                                (0..theirs.len()).filter(|c| theirs[*c] == *role).collect();
                            if of_role.is_empty() {
                                return Err(misfit(
                                    row,
                                    &format!("the other run's row has no {role} tokens"),
                                ));
                            }
                            let mut mean = vec![0f32; channels];
                            for c in &of_role {
                                let share = 1.0 / of_role.len() as f32;
                                mean.iter_mut()
                                    .zip(at(row * other.width() + c))
                                    .for_each(|(m, x)| *m += x * share);
                            }
                            means.insert(*role, mean);
                        }
                        means[role].clone()
                    }
                }));
            }
        }
        Ok(cells)
    }
}

impl<B: Backend> Observer<B> for Patch<'_> {
    fn wants(&self, site: Site) -> bool {
        self.sites.contains_key(&site)
    }

    fn hidden(
        &mut self,
        site: Site,
        batch: &TokenBatch,
        value: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        let cells = self.replacement(site, batch)?;
        let [rows, width, channels] = value.dims();
        let device = value.device();
        if let Some(fired) = self.sites.get_mut(&site) {
            *fired = true;
        }
        let chosen: Vec<i32> =
            (0..cells.len() as i32).filter(|c| cells[*c as usize].is_some()).collect();
        let values: Vec<f32> = cells.into_iter().flatten().flatten().collect();
        if chosen.is_empty() {
            return Ok(value);
        }
        let (count, flat) = (chosen.len(), value.reshape([rows * width, channels]));
        if values.len() != count * channels {
            let found = vec![rows, width, values.len() / count];
            return Err(ProbeError::ShapeChanged {
                site,
                expected: vec![rows, width, channels],
                found,
            });
        }
        let index = Tensor::<B, 1, Int>::from_data(TensorData::new(chosen, [count]), &device);
        let new = Tensor::<B, 2>::from_data(TensorData::new(values, [count, channels]), &device);
        let difference = new - flat.clone().select(0, index.clone());
        let patched = flat.select_assign(0, index, difference, burn::tensor::IndexingUpdateOp::Add);
        Ok(patched.reshape([rows, width, channels]))
    }
}
