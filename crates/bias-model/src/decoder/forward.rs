use bias_cube::matmul;
use bias_probe::device::to_f32;
use bias_probe::hooks::ChannelPart;
use bias_probe::{HookedModel as _, NoObserver, Observer, ProbeError, TokenBatch};
use bias_types::{BlockSite, ModelDims, Site};
use burn::module::Param;
use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Int, Tensor, TensorData, backend::Backend};

use super::block::Block;
use super::kv_cache::KvCache;
use super::linear::Norm;
use super::model::Decoder;
use super::params::in_compute_dtype;
use super::regroup::Regroup;
use super::rotary::Rotary;
use crate::arch::activation::Activation;
use crate::arch::plan::{Plan, QkNorm, QueryGrowth};

/// Data that all blocks of a forward pass share.
pub(crate) struct Prepared<B: Backend> {
    /// The tables of queries and of keys, for each of the plan's rotary embeddings.
    rotary: Vec<(Rotary<B>, Rotary<B>)>,
    /// The factors of queries by their position, `[rows·width, 1]`, if any is not 1.
    growth: Option<Tensor<B, 2>>,
    queries: Regroup<B>,
    keys: Regroup<B>,
    /// `[rows, heads, width, columns]` for each of the plan's windows. Repeated once here instead
    /// of broadcast in every layer.
    blocked: Vec<Tensor<B, 4, Bool>>,
}

impl<B: Backend> Prepared<B> {
    /// # Errors
    /// A token or position the model does not have.
    pub(crate) fn new(model: &Decoder<B>, batch: &TokenBatch) -> Result<Self, ProbeError> {
        let (dims, plan, device) = (model.dims(), model.plan(), model.device());
        if let Some(&token) = batch.tokens().iter().find(|t| **t as usize >= dims.vocab) {
            return Err(ProbeError::TokenOutOfRange { token, vocab: dims.vocab });
        }
        let limit = model.config().max_positions;
        if let Some(&position) = batch.positions().iter().find(|p| **p >= limit) {
            return Err(ProbeError::ContextOverflow { position, limit });
        }
        // Rows of heads are gathered by their number, which devices keep in 32 bits.
        let ([rows, width], heads) = ([batch.rows(), batch.width()], dims.heads.max(dims.kv_heads));
        let all = rows.checked_mul(width).and_then(|cells| cells.checked_mul(heads));
        if all.is_none_or(|all| i32::try_from(all).is_err()) {
            return Err(ProbeError::BatchTooLarge { rows, width, heads });
        }
        let rotary = plan.rotary.iter().map(|frequencies| {
            let of = |heads| Rotary::new(batch, heads, dims.d_head, frequencies, &device);
            (of(dims.heads), of(dims.kv_heads))
        });
        let blocked = plan.windows.iter().map(|window| {
            let blocked = match window {
                Some(window) => batch.blocked_beyond(*window, &device),
                None => batch.blocked_tensor(&device),
            };
            blocked.repeat_dim(1, dims.heads)
        });
        Ok(Self {
            rotary: rotary.collect(),
            growth: plan.query_growth.and_then(|growth| growth.factors(batch)).map(|factors| {
                let cells = factors.len();
                in_compute_dtype(Tensor::from_data(TensorData::new(factors, [cells, 1]), &device))
            }),
            queries: Regroup::new(batch.rows(), batch.width(), dims.heads, &device),
            keys: Regroup::new(batch.rows(), batch.width(), dims.kv_heads, &device),
            blocked: blocked.collect(),
        })
    }
}

impl QueryGrowth {
    /// The factor of each cell, unless all are 1.
    fn factors(self, batch: &TokenBatch) -> Option<Vec<f32>> {
        let positions = batch.positions();
        if self.beta == 0.0 || positions.iter().all(|position| *position < self.original) {
            return None;
        }
        let of = |position: &usize| {
            let turns = (position / self.original) as f32;
            1.0 + self.beta as f32 * (1.0 + turns).ln()
        };
        Some(positions.iter().map(of).collect())
    }
}

/// A batch on its way through the blocks.
pub(crate) struct Pass<'a, B: Backend> {
    pub batch: &'a TokenBatch,
    pub prepared: &'a Prepared<B>,
    pub observer: &'a mut dyn Observer<B>,
    pub cache: Option<&'a mut KvCache<B>>,
}

impl<'a, B: Backend> Pass<'a, B> {
    /// A batch without observer and cache.
    pub(crate) fn unwatched(
        (batch, prepared): (&'a TokenBatch, &'a Prepared<B>),
        observer: &'a mut NoObserver,
    ) -> Self {
        Self { batch, prepared, observer, cache: None }
    }
}

impl<B: Backend> Pass<'_, B> {
    pub(super) fn wants(&self, site: Site) -> bool {
        self.observer.wants(site)
    }

    /// Offers the parts of an activation. Returns whether the observer has seen what it wants.
    pub(super) fn see_parts(
        &mut self,
        site: Site,
        channels: usize,
        parts: impl FnOnce() -> Vec<ChannelPart<B>>,
    ) -> Result<bool, ProbeError> {
        if !self.observer.wants(site) {
            return Ok(true);
        }
        self.observer.parts(site, self.batch, channels, &parts())
    }

    fn see(
        &mut self,
        layer: usize,
        at: BlockSite,
        value: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        self.observer.at(Site::Block(layer, at), self.batch, value)
    }

    /// The same for `[rows·width, channels]`. An observer gets all sites in the computing type.
    pub(super) fn see_flat(
        &mut self,
        site: Site,
        value: Tensor<B, 2>,
    ) -> Result<Tensor<B, 2>, ProbeError> {
        if !self.observer.wants(site) {
            return Ok(value);
        }
        let ([cells, channels], rows, dtype) = (value.dims(), self.batch.rows(), value.dtype());
        let value = in_compute_dtype(value).reshape([rows, cells / rows, channels]);
        let seen = self.observer.at(site, self.batch, value)?.reshape([cells, channels]);
        Ok(if seen.dtype() == dtype { seen } else { seen.cast(dtype) })
    }

    /// Applies a norm, if there is one, and shows its inner values to the observer.
    fn norm(
        &mut self,
        norm: Option<&Norm<B>>,
        [scale_at, normalized_at]: [Site; 2],
        x: Tensor<B, 3>,
        plan: &Plan,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        let Some(norm) = norm else { return Ok(x) };
        if ![scale_at, normalized_at].into_iter().any(|site| self.observer.wants(site)) {
            return Ok(norm.forward(x, plan.norm, plan.eps));
        }
        let [rows, width, channels] = x.dims();
        let (x, scale) = norm.parts(x.reshape([rows * width, channels]), plan.norm, plan.eps);
        let scale = self.see_flat(scale_at, scale)?;
        let normalized = self.see_flat(normalized_at, x * scale.recip())?;
        Ok(norm.finish(normalized, plan.norm).reshape([rows, width, channels]))
    }

    /// The attention weights of each head from its scores: `[rows, heads, width, columns]`.
    fn pattern(
        &mut self,
        layer: usize,
        scores: Tensor<B, 4>,
        blocked: &Tensor<B, 4, Bool>,
        sinks: Option<&Param<Tensor<B, 1>>>,
    ) -> Result<Tensor<B, 4>, ProbeError> {
        let [scores_at, pattern_at] =
            [BlockSite::Scores, BlockSite::Pattern].map(|at| Site::Block(layer, at));
        let at_once = match self.observer.wants(scores_at) || sinks.is_some() {
            true => None,
            false => bias_cube::masked_softmax(&scores, blocked),
        };
        let pattern = match at_once {
            Some(pattern) => pattern,
            None => {
                let scores = scores.mask_fill(blocked.clone(), f32::NEG_INFINITY);
                let scores = self.observer.at_attention(scores_at, self.batch, scores)?;
                in_compute_dtype(match sinks {
                    Some(sinks) => shares_beside(to_f32(scores), to_f32(sinks.val())),
                    None => shares(to_f32(scores)),
                })
            }
        };
        self.observer.at_attention(pattern_at, self.batch, pattern)
    }
}

/// Times a factor, if there is one.
pub(crate) fn scaled<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    scale: Option<f64>,
) -> Tensor<B, D> {
    match scale {
        Some(scale) => x.mul_scalar(scale),
        None => x,
    }
}

/// `cap · tanh(x / cap)`
pub(crate) fn soft_cap<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    cap: Option<f64>,
) -> Tensor<B, D> {
    match cap {
        Some(cap) => x.div_scalar(cap).tanh().mul_scalar(cap),
        None => x,
    }
}

/// Softmax over the last axis, as a matrix: broadcasting over more axes is slow on CPU backends.
fn shares<B: Backend>(scores: Tensor<B, 4>) -> Tensor<B, 4> {
    let shape @ [rows, heads, width, columns] = scores.dims();
    softmax(scores.reshape([rows * heads * width, columns]), 1).reshape(shape)
}

/// Softmax over the last axis and one more score for each head, which gets no column.
fn shares_beside<B: Backend>(scores: Tensor<B, 4>, sinks: Tensor<B, 1>) -> Tensor<B, 4> {
    let [rows, heads, width, columns] = scores.dims();
    let sinks = sinks.reshape([1, heads, 1, 1]).expand([rows, heads, width, 1]);
    shares(Tensor::cat(vec![scores, sinks], 3)).narrow(3, 0, columns)
}

/// The output of attention or MLP as it is added to the residual stream: after a norm and times a
/// factor, where there are.
fn added<B: Backend>(norm: &Option<Norm<B>>, x: Tensor<B, 3>, plan: &Plan) -> Tensor<B, 3> {
    let x = match norm {
        Some(norm) => norm.forward(x, plan.norm, plan.eps),
        None => x,
    };
    scaled(x, plan.residual_scale)
}

impl<B: Backend> Decoder<B> {
    /// Runs a batch, and appends its keys and values to `cache`. `batch` must follow the tokens in
    /// the cache ([`TokenBatch::following`]).
    ///
    /// Returns the output of the final norm, `[rows, width, d_model]`.
    ///
    /// # Errors
    /// A token or position that the model does not have, or the observer's own error.
    pub fn run(
        &self,
        batch: &TokenBatch,
        cache: Option<&mut KvCache<B>>,
        observer: &mut dyn Observer<B>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        let prepared = Prepared::new(self, batch)?;
        let mut pass = Pass { batch, prepared: &prepared, observer, cache };
        let mut x = self.begin(&mut pass)?;
        for (layer, block) in self.blocks.iter().enumerate() {
            x = self.block(layer, block, x, &mut pass)?;
        }
        self.end(x, &mut pass)
    }

    /// The input of the first block.
    pub(crate) fn begin(&self, pass: &mut Pass<'_, B>) -> Result<Tensor<B, 3>, ProbeError> {
        let batch = pass.batch;
        let embedded = pass.observer.at(Site::Embedding, batch, self.embed(batch)?)?;
        Ok(match &self.positions {
            Some(table) => {
                let offset = self.plan().position_offset;
                let rows: Vec<usize> = batch.positions().iter().map(|p| p + offset).collect();
                let positions = rows_of(table.val(), batch, &rows);
                embedded + pass.observer.at(Site::Positions, batch, positions)?
            }
            None => embedded,
        })
    }

    /// Runs one block.
    pub(crate) fn block(
        &self,
        layer: usize,
        block: &Block<B>,
        x: Tensor<B, 3>,
        pass: &mut Pass<'_, B>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        let x = pass.see(layer, BlockSite::ResidPre, x)?;
        let plan = self.plan();
        let normed = self.attn_normed(layer, block, x.clone(), pass)?;
        let shared = plan.shared_norm.then(|| normed.clone());
        let attention = self.attention(layer, block, normed, pass)?;
        let x = if plan.parallel {
            let normed = match shared {
                Some(normed) => normed,
                None => self.mlp_normed(layer, block, x.clone(), pass)?,
            };
            x + attention + self.mlp(layer, block, normed, pass)?
        } else {
            let middle = pass.see(layer, BlockSite::ResidMid, x + attention)?;
            let normed = self.mlp_normed(layer, block, middle.clone(), pass)?;
            middle + self.mlp(layer, block, normed, pass)?
        };
        pass.see(layer, BlockSite::ResidPost, x)
    }

    /// Applies the final norm.
    pub(crate) fn end(
        &self,
        x: Tensor<B, 3>,
        pass: &mut Pass<'_, B>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        let x = pass.norm(
            Some(&self.norm),
            [Site::FinalNormScale, Site::FinalNormalized],
            x,
            self.plan(),
        )?;
        pass.observer.at(Site::FinalNorm, pass.batch, x)
    }

    /// Token embeddings, `[rows, width, d_model]`.
    fn embed(&self, batch: &TokenBatch) -> Result<Tensor<B, 3>, ProbeError> {
        let ids: Vec<usize> = batch.tokens().iter().map(|t| *t as usize).collect();
        let embedded = self.embedding.lookup(&ids, &self.device())?;
        let d_model = embedded.dims()[1];
        let embedded = embedded.reshape([batch.rows(), batch.width(), d_model]);
        Ok(scaled(embedded, self.plan().embedding_scale))
    }

    /// The residual stream after the norm before attention.
    fn attn_normed(
        &self,
        layer: usize,
        block: &Block<B>,
        x: Tensor<B, 3>,
        pass: &mut Pass<'_, B>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        let inside =
            [BlockSite::AttnNormScale, BlockSite::AttnNormalized].map(|s| Site::Block(layer, s));
        pass.norm(block.attn_norm.as_ref(), inside, x, self.plan())
    }

    /// The residual stream after the norm before the MLP.
    fn mlp_normed(
        &self,
        layer: usize,
        block: &Block<B>,
        x: Tensor<B, 3>,
        pass: &mut Pass<'_, B>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        let inside =
            [BlockSite::MlpNormScale, BlockSite::MlpNormalized].map(|s| Site::Block(layer, s));
        pass.norm(block.mlp_norm.as_ref(), inside, x, self.plan())
    }

    /// Attention of the normed residual stream.
    fn attention(
        &self,
        layer: usize,
        block: &Block<B>,
        x: Tensor<B, 3>,
        pass: &mut Pass<'_, B>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        let (&ModelDims { heads, kv_heads, d_head, .. }, plan) = (self.dims(), self.plan());
        let [rows, width, _] = x.dims();
        let own = plan.layers[layer];
        let x = pass.see(layer, BlockSite::AttnNorm, x)?;
        let q = pass.see(layer, BlockSite::Query, block.q.forward(x.clone())?)?;
        let k = pass.see(layer, BlockSite::Key, block.k.forward(x.clone())?)?;
        let v = pass.see(layer, BlockSite::Value, block.v.forward(x)?)?;

        let flat = |t: Tensor<B, 3>, heads: usize| t.reshape([rows * width, heads * d_head]);
        let (mut q, mut k) = (
            qk_normed(&block.q_norm, flat(q, heads), d_head, plan),
            qk_normed(&block.k_norm, flat(k, kv_heads), d_head, plan),
        );
        if let Some((of_query, of_key)) = own.rotary.and_then(|at| pass.prepared.rotary.get(at)) {
            (q, k) = (of_query.turn(q), of_key.turn(k));
            q = pass.see_flat(Site::Block(layer, BlockSite::QueryRotated), q)?;
            k = pass.see_flat(Site::Block(layer, BlockSite::KeyRotated), k)?;
        }
        if let Some(growth) = &pass.prepared.growth {
            q = q * growth.clone();
        }
        let depth = if plan.scale_by_layer { (layer + 1) as f64 } else { 1.0 };
        let q = pass.prepared.queries.split(q.mul_scalar(plan.query_scale / depth), rows, width);
        let k = pass.prepared.keys.split(k, rows, width);
        let v = pass.prepared.keys.split(flat(v, kv_heads), rows, width);
        let (k, v) = match &mut pass.cache {
            Some(cache) => cache.append(layer, k, v),
            None => (k, v),
        };
        let columns = k.dims()[2];

        // Query heads that share a key/value head are stacked along the query axis:
        // grouped-query attention without repeating keys and values.
        let shared = heads / kv_heads;
        let scores = matmul(q.reshape([rows, kv_heads, shared * width, d_head]), k.transpose());
        let scores = soft_cap(scores, plan.score_cap).reshape([rows, heads, width, columns]);
        let prepared = pass.prepared;
        let blocked = &prepared.blocked[own.window];
        let pattern = pass.pattern(layer, scores, blocked, block.sinks.as_ref())?;
        let mixed = matmul(pattern.reshape([rows, kv_heads, shared * width, columns]), v);
        let mixed = pass.prepared.queries.join(mixed.reshape([rows, heads, width, d_head]));
        let mixed = pass.see(layer, BlockSite::HeadOutput, mixed)?;
        let out = pass.see(layer, BlockSite::AttnOut, block.o.forward(mixed)?)?;
        pass.see(layer, BlockSite::AttnAdded, added(&block.attn_post_norm, out, plan))
    }

    /// The MLP of the normed residual stream.
    fn mlp(
        &self,
        layer: usize,
        block: &Block<B>,
        x: Tensor<B, 3>,
        pass: &mut Pass<'_, B>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        let plan = self.plan();
        let x = pass.see(layer, BlockSite::MlpNorm, x)?;
        if let (Some(router), Some(gate), Some(experts)) =
            (&block.router, &block.gate, self.config.dims.experts)
        {
            let out = self.mixture(layer, block, (router, gate, experts), x, pass)?;
            let out = pass.see(layer, BlockSite::MlpOut, out)?;
            return pass.see(layer, BlockSite::MlpAdded, added(&block.mlp_post_norm, out, plan));
        }
        let hidden = match &block.gate {
            Some(gate) => {
                let gate = pass.see(layer, BlockSite::Gate, gate.forward(x.clone())?)?;
                let seen = pass.observer.wants(Site::Block(layer, BlockSite::GateActivated));
                if seen || plan.activation != Activation::Silu {
                    let gate =
                        pass.see(layer, BlockSite::GateActivated, plan.activation.apply(gate))?;
                    gate * pass.see(layer, BlockSite::Up, block.up.forward(x)?)?
                } else {
                    let up = pass.see(layer, BlockSite::Up, block.up.forward(x)?)?;
                    bias_cube::gated_silu(&gate, &up)
                        .unwrap_or_else(|| plan.activation.apply(gate) * up)
                }
            }
            None => plan.activation.apply(pass.see(layer, BlockSite::Up, block.up.forward(x)?)?),
        };
        let hidden = pass.see(layer, BlockSite::MlpHidden, hidden)?;
        let out = pass.see(layer, BlockSite::MlpOut, block.down.forward(hidden)?)?;
        pass.see(layer, BlockSite::MlpAdded, added(&block.mlp_post_norm, out, plan))
    }
}

/// Rows of a table in memory, `[rows, width, d_model]`.
fn rows_of<B: Backend>(table: Tensor<B, 2>, batch: &TokenBatch, rows: &[usize]) -> Tensor<B, 3> {
    let rows: Vec<i32> = rows.iter().map(|r| i32::try_from(*r).unwrap_or(i32::MAX)).collect();
    let count = rows.len();
    let index = Tensor::<B, 1, Int>::from_data(TensorData::new(rows, [count]), &table.device());
    let d_model = table.dims()[1];
    in_compute_dtype(table.select(0, index)).reshape([batch.rows(), batch.width(), d_model])
}

/// Queries or keys, `[cells, heads·d_head]`, normed as the architecture requires.
fn qk_normed<B: Backend>(
    norm: &Option<Norm<B>>,
    x: Tensor<B, 2>,
    d_head: usize,
    plan: &Plan,
) -> Tensor<B, 2> {
    let (Some(norm), Some(kind)) = (norm, plan.qk_norm) else { return x };
    let [cells, channels] = x.dims();
    match kind {
        QkNorm::Whole => norm.flat(x, plan.norm, plan.eps),
        QkNorm::PerHead => {
            let heads = x.reshape([cells * channels / d_head, d_head]);
            norm.flat(heads, plan.norm, plan.eps).reshape([cells, channels])
        }
    }
}
