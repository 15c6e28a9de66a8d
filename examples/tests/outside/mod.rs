//! Someone else's model: a decoder that `bias-model` does not load, plugged into the traits.

use bias_mask::{MaskError, MaskTarget};
use bias_probe::{HookedModel, Observer, ProbeError, TokenBatch, Weights};
use bias_types::{BlockSite, ModelDims, ParamPath, Projection, Site};
use burn::tensor::activation::{silu, softmax};
use burn::tensor::{Distribution, Int, Tensor, TensorData, backend::Backend};

/// A small decoder with ALiBi (Press et al. 2021): instead of positions, attention
/// scores fall with distance, by a slope of each head's own. No norms, weights drawn at
/// random. What matters here is how little it takes to be a [`HookedModel`].
#[derive(Debug, Clone)]
pub struct Alibi<B: Backend> {
    dims: ModelDims,
    embedding: Tensor<B, 2>,
    /// `[out, in]`, by block and projection.
    weights: Vec<Vec<Tensor<B, 2>>>,
}

impl<B: Backend> Alibi<B> {
    /// A model with weights from N(0, 0.3²).
    #[allow(dead_code, reason = "some tests draw their own")]
    pub fn random(dims: ModelDims, device: &B::Device) -> Self {
        let draw =
            |shape: [usize; 2]| Tensor::random(shape, Distribution::Normal(0.0, 0.3), device);
        Self::of(dims, draw([dims.vocab, dims.d_model]), draw)
    }

    /// A model with this embedding, and weights of the shapes `[out, in]` that are asked for.
    pub fn of(
        dims: ModelDims,
        embedding: Tensor<B, 2>,
        mut weight: impl FnMut([usize; 2]) -> Tensor<B, 2>,
    ) -> Self {
        let mut block = |_| Projection::ALL.map(|p| weight(dims.shape(p))).to_vec();
        Self { embedding, weights: (0..dims.layers).map(&mut block).collect(), dims }
    }

    /// The same model, each tensor on another backend.
    #[allow(dead_code, reason = "studies alone need it")]
    pub fn map<C: Backend>(&self, to: impl Fn(Tensor<B, 2>) -> Tensor<C, 2>) -> Alibi<C> {
        let block = |own: &Vec<Tensor<B, 2>>| own.iter().cloned().map(&to).collect();
        Alibi {
            dims: self.dims,
            embedding: to(self.embedding.clone()),
            weights: self.weights.iter().map(block).collect(),
        }
    }

    fn linear(&self, layer: usize, p: Projection, x: Tensor<B, 3>) -> Tensor<B, 3> {
        x.matmul(self.weights[layer][p as usize].clone().transpose().unsqueeze())
    }

    /// `−2^(−8(h+1)/heads) · distance`, −∞ where a token must not look:
    /// `[rows, heads, query, key]`.
    fn distances(&self, batch: &TokenBatch) -> Tensor<B, 4> {
        let (rows, width, heads) = (batch.rows(), batch.width(), self.dims.heads);
        let mut bias = Vec::with_capacity(rows * heads * width * width);
        for row in 0..rows {
            let positions = &batch.positions()[row * width..(row + 1) * width];
            for head in 0..heads {
                let slope = 2f32.powf(-8.0 * (head + 1) as f32 / heads as f32);
                for (query, at) in positions.iter().enumerate() {
                    let blocked = batch.blocked(row, query);
                    bias.extend(positions.iter().zip(blocked).map(
                        |(key, blocked)| match blocked {
                            true => f32::NEG_INFINITY,
                            false => -slope * (at - key) as f32,
                        },
                    ));
                }
            }
        }
        Tensor::from_data(TensorData::new(bias, [rows, heads, width, width]), &self.device())
    }

    fn matrix(&self, path: &ParamPath) -> Option<(usize, Projection)> {
        path.projection().filter(|(layer, _)| *layer < self.dims.layers)
    }
}

impl<B: Backend> Weights<B> for Alibi<B> {
    fn weight(&self, path: &ParamPath) -> Result<Tensor<B, 2>, ProbeError> {
        let (layer, p) =
            self.matrix(path).ok_or_else(|| ProbeError::NoSuchParam { path: path.clone() })?;
        Ok(self.weights[layer][p as usize].clone())
    }
}

impl<B: Backend> HookedModel<B> for Alibi<B> {
    fn dims(&self) -> &ModelDims {
        &self.dims
    }

    fn device(&self) -> B::Device {
        self.embedding.device()
    }

    fn sites(&self) -> Vec<Site> {
        use BlockSite::{
            AttnAdded, AttnNormScale, AttnNormalized, ExpertInputs, GateActivated, KeyRotated,
            MlpAdded, MlpNormScale, MlpNormalized, QueryRotated, RouterLogits, RouterWeights,
        };
        let absent = |site: &Site| {
            let norms = [Site::Positions, Site::FinalNormScale, Site::FinalNormalized];
            let inner =
                [AttnNormScale, AttnNormalized, QueryRotated, KeyRotated, AttnAdded, GateActivated];
            let experts = [RouterLogits, RouterWeights, ExpertInputs];
            let inner =
                inner.into_iter().chain([MlpNormScale, MlpNormalized, MlpAdded]).chain(experts);
            norms.contains(site)
                || inner.into_iter().any(|s| matches!(site, Site::Block(_, own) if *own == s))
        };
        Site::all(self.dims.layers).filter(|site| !absent(site)).collect()
    }

    fn hidden(
        &self,
        batch: &TokenBatch,
        observer: &mut dyn Observer<B>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        let ModelDims { layers, d_model, heads, kv_heads, d_head, vocab, .. } = self.dims;
        let (rows, width) = (batch.rows(), batch.width());
        if let Some(&token) = batch.tokens().iter().find(|t| **t as usize >= vocab) {
            return Err(ProbeError::TokenOutOfRange { token, vocab });
        }
        let ids: Tensor<B, 1, Int> = batch.token_tensor::<B>(&self.device()).reshape([-1]);
        let embedded = self.embedding.clone().select(0, ids).reshape([rows, width, d_model]);
        let mut x = observer.at(Site::Embedding, batch, embedded)?;
        let distances = self.distances(batch);
        for layer in 0..layers {
            let site = |at| Site::Block(layer, at);
            // Query head h reads key/value head ⌊h · kv_heads / heads⌋.
            let by_head = |t: Tensor<B, 3>, own: usize| {
                let t = t.reshape([rows, width, own, 1, d_head]).repeat_dim(3, heads / own);
                t.reshape([rows, width, heads, d_head]).swap_dims(1, 2)
            };
            x = observer.at(site(BlockSite::ResidPre), batch, x)?;
            let h = observer.at(site(BlockSite::AttnNorm), batch, x.clone())?;
            let q = observer.at(
                site(BlockSite::Query),
                batch,
                self.linear(layer, Projection::Q, h.clone()),
            )?;
            let k = observer.at(
                site(BlockSite::Key),
                batch,
                self.linear(layer, Projection::K, h.clone()),
            )?;
            let v =
                observer.at(site(BlockSite::Value), batch, self.linear(layer, Projection::V, h))?;
            let (q, k, v) = (by_head(q, heads), by_head(k, kv_heads), by_head(v, kv_heads));
            let scores =
                q.matmul(k.transpose()).div_scalar((d_head as f64).sqrt()) + distances.clone();
            let scores = observer.at_attention(site(BlockSite::Scores), batch, scores)?;
            let pattern =
                observer.at_attention(site(BlockSite::Pattern), batch, softmax(scores, 3))?;
            let mixed = pattern.matmul(v).swap_dims(1, 2).reshape([rows, width, heads * d_head]);
            let mixed = observer.at(site(BlockSite::HeadOutput), batch, mixed)?;
            let out = observer.at(
                site(BlockSite::AttnOut),
                batch,
                self.linear(layer, Projection::O, mixed),
            )?;
            x = observer.at(site(BlockSite::ResidMid), batch, x + out)?;
            let h = observer.at(site(BlockSite::MlpNorm), batch, x.clone())?;
            let gate = observer.at(
                site(BlockSite::Gate),
                batch,
                self.linear(layer, Projection::Gate, h.clone()),
            )?;
            let up =
                observer.at(site(BlockSite::Up), batch, self.linear(layer, Projection::Up, h))?;
            let hidden = observer.at(site(BlockSite::MlpHidden), batch, silu(gate) * up)?;
            let out = observer.at(
                site(BlockSite::MlpOut),
                batch,
                self.linear(layer, Projection::Down, hidden),
            )?;
            x = observer.at(site(BlockSite::ResidPost), batch, x + out)?;
        }
        observer.at(Site::FinalNorm, batch, x)
    }

    fn unembed(&self, hidden: Tensor<B, 3>) -> Result<Tensor<B, 3>, ProbeError> {
        Ok(hidden.matmul(self.embedding.clone().transpose().unsqueeze()))
    }
}

impl<B: Backend> MaskTarget<B> for Alibi<B> {
    fn set_weight(&mut self, path: &ParamPath, value: Tensor<B, 2>) -> Result<(), MaskError> {
        let (layer, p) =
            self.matrix(path).ok_or_else(|| MaskError::NoSuchParam { path: path.clone() })?;
        let (expected, found) = (self.dims.shape(p), value.dims());
        if expected != found {
            return Err(MaskError::ShapeMismatch { path: path.clone(), expected, found });
        }
        self.weights[layer][p as usize] = value;
        Ok(())
    }
}
