use bias_types::Projection;
use burn::module::{Module, Param};
use burn::tensor::{
    Tensor,
    backend::{AutodiffBackend, Backend},
};

use super::linear::{Linear, Norm};
use super::matrix::Matrix;
use super::params::Follow;
use super::router::Router;
use crate::error::ModelError;

/// One decoder block. Parts that the architecture lacks are `None`.
#[derive(Module, Debug)]
pub(crate) struct Block<B: Backend> {
    pub attn_norm: Option<Norm<B>>,
    pub q: Linear<B>,
    pub k: Linear<B>,
    pub v: Linear<B>,
    pub o: Linear<B>,
    pub q_norm: Option<Norm<B>>,
    pub k_norm: Option<Norm<B>>,
    pub attn_post_norm: Option<Norm<B>>,
    pub mlp_norm: Option<Norm<B>>,
    pub gate: Option<Linear<B>>,
    pub up: Linear<B>,
    pub down: Linear<B>,
    pub mlp_post_norm: Option<Norm<B>>,
    /// In a mixture of experts.
    pub router: Option<Router<B>>,
    /// The score of no token at all, `[heads]`.
    pub sinks: Option<Param<Tensor<B, 1>>>,
}

impl<B: Backend> Block<B> {
    pub(crate) fn linear(&self, projection: Projection) -> Option<&Linear<B>> {
        Some(match projection {
            Projection::Q => &self.q,
            Projection::K => &self.k,
            Projection::V => &self.v,
            Projection::O => &self.o,
            Projection::Gate => return self.gate.as_ref(),
            Projection::Up => &self.up,
            Projection::Down => &self.down,
        })
    }

    pub(crate) fn linear_mut(&mut self, projection: Projection) -> Option<&mut Linear<B>> {
        Some(match projection {
            Projection::Q => &mut self.q,
            Projection::K => &mut self.k,
            Projection::V => &mut self.v,
            Projection::O => &mut self.o,
            Projection::Gate => return self.gate.as_mut(),
            Projection::Up => &mut self.up,
            Projection::Down => &mut self.down,
        })
    }

    /// Reads the weights that were left in the file.
    pub(crate) fn read(&self, device: &B::Device) -> Result<Self, ModelError> {
        Ok(Self {
            attn_norm: self.attn_norm.clone(),
            q: self.q.read(device)?,
            k: self.k.read(device)?,
            v: self.v.read(device)?,
            o: self.o.read(device)?,
            q_norm: self.q_norm.clone(),
            k_norm: self.k_norm.clone(),
            attn_post_norm: self.attn_post_norm.clone(),
            mlp_norm: self.mlp_norm.clone(),
            gate: self.gate.as_ref().map(|gate| gate.read(device)).transpose()?,
            up: self.up.read(device)?,
            down: self.down.read(device)?,
            mlp_post_norm: self.mlp_post_norm.clone(),
            router: self.router.clone(),
            sinks: self.sinks.clone(),
        })
    }

    /// Its matrices.
    pub(crate) fn into_matrices(self) -> impl Iterator<Item = Matrix<B>> {
        let Self { q, k, v, o, gate, up, down, .. } = self;
        [Some(q), Some(k), Some(v), Some(o), gate, Some(up), Some(down)]
            .into_iter()
            .flatten()
            .map(|linear| linear.weight)
    }

    /// Asks the system to read ahead the weights that were left in the file.
    pub(crate) fn ahead(&self) {
        Projection::ALL
            .into_iter()
            .filter_map(|p| self.linear(p))
            .for_each(|linear| linear.weight.ahead());
    }

    pub(crate) fn on_graph<A: AutodiffBackend<InnerBackend = B>>(
        &self,
        follow: Follow,
    ) -> Block<A> {
        let norm = |norm: &Option<Norm<B>>| norm.as_ref().map(|norm| norm.on_graph::<A>(follow));
        Block {
            attn_norm: norm(&self.attn_norm),
            q: self.q.on_graph(follow),
            k: self.k.on_graph(follow),
            v: self.v.on_graph(follow),
            o: self.o.on_graph(follow),
            q_norm: norm(&self.q_norm),
            k_norm: norm(&self.k_norm),
            attn_post_norm: norm(&self.attn_post_norm),
            mlp_norm: norm(&self.mlp_norm),
            gate: self.gate.as_ref().map(|gate| gate.on_graph(follow)),
            up: self.up.on_graph(follow),
            down: self.down.on_graph(follow),
            mlp_post_norm: norm(&self.mlp_post_norm),
            router: self.router.as_ref().map(|router| router.on_graph(follow)),
            sinks: self.sinks.as_ref().map(|sinks| follow.param(sinks)),
        }
    }
}
