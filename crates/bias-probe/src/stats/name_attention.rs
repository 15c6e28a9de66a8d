use bias_cube::matmul;
use bias_types::model::HeadId;
use bias_types::{BlockSite, Site, TokenRole};
use burn::tensor::{Tensor, TensorData, backend::Backend};

use crate::batch::token_batch::TokenBatch;
use crate::device::float::{f32_from, to_f32};
use crate::device::readback::read_back;
use crate::error::ProbeError;
use crate::hooks::observer::Observer;

/// Mean attention that each head pays from the answer's tokens to the name's tokens.
///
/// For each answer token fed back to the model (every answer step after the first), its attention
/// to the name's tokens is averaged over those tokens, then over steps (by the tokens'
/// [weights](crate::Sequence::weights)), then over sequences (arXiv 2502.07771, head pruning).
/// Sequences without a name or an answer do not count.
#[derive(Debug, Clone)]
pub struct NameAttention {
    sums: Vec<Vec<f64>>,
    sequences: u64,
}

impl NameAttention {
    /// Watches all heads of all layers.
    #[must_use]
    pub fn new(layers: usize) -> Self {
        Self { sums: vec![Vec::new(); layers], sequences: 0 }
    }

    /// Mean attention to the name per head, over the sequences seen.
    ///
    /// # Errors
    /// [`ProbeError::NeverFired`] if a layer's pattern was never reached,
    /// [`ProbeError::NoNameOrAnswer`] if no sequence counted.
    pub fn finish(self) -> Result<Vec<(HeadId, f64)>, ProbeError> {
        let silent = |(l, sums): (usize, &Vec<f64>)| {
            sums.is_empty().then_some(Site::Block(l, BlockSite::Pattern))
        };
        let sites: Vec<Site> = self.sums.iter().enumerate().filter_map(silent).collect();
        if !sites.is_empty() {
            return Err(ProbeError::NeverFired { sites });
        }
        if self.sequences == 0 {
            return Err(ProbeError::NoNameOrAnswer);
        }
        let n = self.sequences as f64;
        let heads = |(layer, sums): (usize, Vec<f64>)| {
            sums.into_iter().enumerate().map(move |(h, sum)| (HeadId::new(layer, h), sum / n))
        };
        Ok(self.sums.into_iter().enumerate().flat_map(heads).collect())
    }
}

/// `w / (Σw · names)` at every (answer query of weight `w`, name key) pair of a row:
/// `[rows, 1, width, width]`, and how many rows have both.
fn weights<B: Backend>(batch: &TokenBatch, device: &B::Device) -> (Tensor<B, 4>, u64) {
    let (rows, width) = (batch.rows(), batch.width());
    let mut weights = vec![0f32; rows * width * width];
    let mut counted = 0;
    let tokens = batch.roles().chunks_exact(width).zip(batch.weights().chunks_exact(width));
    for (row, (roles, weight)) in tokens.enumerate() {
        let of = |role| (0..width).filter(move |&c| roles[c] == role);
        let names = of(TokenRole::Name).count() as f32;
        let total = names * of(TokenRole::Answer).map(|c| weight[c]).sum::<f32>();
        if total <= 0.0 {
            continue;
        }
        counted += 1;
        for query in of(TokenRole::Answer) {
            for key in of(TokenRole::Name) {
                weights[(row * width + query) * width + key] = weight[query] / total;
            }
        }
    }
    (f32_from(TensorData::new(weights, [rows, 1, width, width]), device), counted)
}

impl<B: Backend> Observer<B> for NameAttention {
    fn wants(&self, site: Site) -> bool {
        matches!(site, Site::Block(layer, BlockSite::Pattern) if layer < self.sums.len())
    }

    fn attention(
        &mut self,
        site: Site,
        batch: &TokenBatch,
        value: Tensor<B, 4>,
    ) -> Result<Tensor<B, 4>, ProbeError> {
        let Site::Block(layer, BlockSite::Pattern) = site else { return Ok(value) };
        if batch.past() != 0 {
            let reason =
                "name attention needs prompt and answer in one pass, without a KV cache".into();
            return Err(ProbeError::BadSequence { row: 0, reason });
        }
        let (weights, counted) = weights::<B>(batch, &value.device());
        if layer == 0 {
            self.sequences += counted;
        }
        let [rows, heads, width, _] = value.dims();
        // As a matrix product: broadcasting over heads is slow on CPU backends.
        let cells = width * width;
        let flat = to_f32(value.clone()).reshape([rows, heads, cells]);
        let per_head = matmul(flat, weights.reshape([rows, cells, 1])).sum_dim(0);
        let data = read_back(per_head).map_err(|reason| ProbeError::Readback { site, reason })?;
        let sums = &mut self.sums[layer];
        sums.resize(heads, 0.0);
        sums.iter_mut().zip(data).for_each(|(s, x)| *s += f64::from(x));
        Ok(value)
    }
}
