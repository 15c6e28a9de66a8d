use bias_core::{BlockSite, ModelDims, ParamPath, Projection, Site};
use bias_mask::{MaskError, MaskTarget};
use bias_probe::{DifferentiableModel, HookedModel, Observer, ProbeError, TokenBatch};
use burn::module::{Module, Param};
use burn::tensor::activation::{silu, softmax};
use burn::tensor::{
    Tensor, TensorData,
    backend::{AutodiffBackend, Backend},
};

use crate::cache::KvCache;
use crate::checkpoint::{Checkpoint, Tensors};
use crate::config::LlamaConfig;
use crate::error::ModelError;
use crate::named::{NamedTensor, read};
use crate::regroup::Regroup;
use crate::rope::Rotary;

/// A Llama decoder (Touvron et al. 2023): RMS norms, rotary grouped-query
/// attention, gated SiLU MLP, on any burn backend.
///
/// Linear maps are kept as contiguous `[in, out]`, the layout matrix products
/// run fastest in; [`HookedModel::weight`] and [`MaskTarget`] speak Hugging Face
/// `[out, in]`.
#[derive(Module, Debug)]
pub struct Llama<B: Backend> {
    /// `[vocab, d_model]`
    embedding: Param<Tensor<B, 2>>,
    blocks: Vec<Block<B>>,
    /// `[d_model]`
    norm: Param<Tensor<B, 1>>,
    /// `[d_model, vocab]`; absent when the embedding serves as head.
    head: Option<Param<Tensor<B, 2>>>,
    #[module(skip)]
    config: LlamaConfig,
    #[module(skip)]
    fingerprint: Option<String>,
}

#[derive(Module, Debug)]
struct Block<B: Backend> {
    attn_norm: Param<Tensor<B, 1>>,
    q: Param<Tensor<B, 2>>,
    k: Param<Tensor<B, 2>>,
    v: Param<Tensor<B, 2>>,
    o: Param<Tensor<B, 2>>,
    mlp_norm: Param<Tensor<B, 1>>,
    gate: Param<Tensor<B, 2>>,
    up: Param<Tensor<B, 2>>,
    down: Param<Tensor<B, 2>>,
}

impl<B: Backend> Block<B> {
    fn linear(&self, projection: Projection) -> &Param<Tensor<B, 2>> {
        match projection {
            Projection::Q => &self.q,
            Projection::K => &self.k,
            Projection::V => &self.v,
            Projection::O => &self.o,
            Projection::Gate => &self.gate,
            Projection::Up => &self.up,
            Projection::Down => &self.down,
        }
    }

    fn linear_mut(&mut self, projection: Projection) -> &mut Param<Tensor<B, 2>> {
        match projection {
            Projection::Q => &mut self.q,
            Projection::K => &mut self.k,
            Projection::V => &mut self.v,
            Projection::O => &mut self.o,
            Projection::Gate => &mut self.gate,
            Projection::Up => &mut self.up,
            Projection::Down => &mut self.down,
        }
    }
}

/// `[rows, width, in] · [in, out]` as one matrix product.
fn linear<B: Backend>(x: Tensor<B, 3>, weight: Tensor<B, 2>) -> Tensor<B, 3> {
    let [rows, width, inner] = x.dims();
    let outer = weight.dims()[1];
    x.reshape([rows * width, inner]).matmul(weight).reshape([rows, width, outer])
}

/// `x / sqrt(mean(x²) + eps) · gain` over the last axis (Zhang & Sennrich 2019).
fn rms_norm<B: Backend>(x: Tensor<B, 3>, gain: Tensor<B, 1>, eps: f64) -> Tensor<B, 3> {
    let [rows, width, d_model] = x.dims();
    // As a matrix: broadcasting over more axes is slow on CPU backends.
    let x = x.reshape([rows * width, d_model]);
    let scale = (x.clone() * x.clone()).mean_dim(1).add_scalar(eps).sqrt().recip();
    (x * scale * gain.unsqueeze()).reshape([rows, width, d_model])
}

/// One forward pass: what every block of it shares.
struct Pass<'a, B: Backend> {
    batch: &'a TokenBatch,
    rotary_query: Rotary<B>,
    rotary_key: Rotary<B>,
    queries: Regroup<B>,
    keys: Regroup<B>,
    /// `[rows, heads, width, columns]`: repeated once here, not broadcast in every layer.
    blocked: Tensor<B, 4, burn::tensor::Bool>,
    observer: &'a mut dyn Observer<B>,
    cache: Option<&'a mut KvCache<B>>,
}

impl<B: Backend> Pass<'_, B> {
    fn see(&mut self, layer: usize, at: BlockSite, value: Tensor<B, 3>) -> Result<Tensor<B, 3>, ProbeError> {
        self.observer.at(Site::Block(layer, at), self.batch, value)
    }
}

impl<B: Backend> Llama<B> {
    /// Reads a model folder's weights onto a device.
    ///
    /// # Errors
    /// Whatever is wrong with the files: see [`ModelError`].
    pub fn load(
        checkpoint: &Checkpoint,
        config: LlamaConfig,
        device: &B::Device,
    ) -> Result<Self, ModelError> {
        let dims = config.dims;
        let mut tensors = checkpoint.tensors()?;
        let embedding = tensors.take("model.embed_tokens.weight", &[dims.vocab, dims.d_model])?;
        let mut blocks = Vec::new();
        for layer in 0..dims.layers {
            blocks.push(Block::load(&mut tensors, &dims, layer, device)?);
            // A config that claims more layers than there are would otherwise ask for each in turn.
            if blocks.last().is_some_and(|b| b.q.val().dims()[0] == 0) {
                break;
            }
        }
        let norm = vector(&mut tensors, "model.norm.weight", dims.d_model, device)?;
        let head = if config.tied {
            tensors.ignore(|name| name == "lm_head.weight");
            None
        } else {
            Some(matrix(&mut tensors, "lm_head.weight", [dims.vocab, dims.d_model], device)?)
        };
        tensors.ignore(|name| name.ends_with(".rotary_emb.inv_freq"));
        tensors.finish()?;
        let embedding = TensorData::new(embedding, [dims.vocab, dims.d_model]);
        Ok(Self {
            embedding: param(embedding, device),
            blocks,
            norm,
            head,
            config,
            fingerprint: Some(checkpoint.fingerprint()),
        })
    }

    /// A model with fresh weights drawn from N(0, `std`²), residual outputs scaled by
    /// `1/sqrt(2·layers)` (Radford et al. 2019); gains are 1.
    ///
    /// The draws come from `seed` alone, so they are the same on every backend.
    pub fn init(config: LlamaConfig, std: f32, seed: u64, device: &B::Device) -> Self {
        let dims = config.dims;
        let mut normal = crate::init::Normal::new(seed);
        let deep = std / (2.0 * dims.layers as f32).sqrt();
        let ones = |n| param(TensorData::new(vec![1f32; n], [n]), device);
        let embedding = param(normal.matrix([dims.vocab, dims.d_model], std), device);
        let blocks = (0..dims.layers)
            .map(|_| {
                let mut draw = |p: Projection| {
                    let [out, inner] = dims.shape(p);
                    let std = if matches!(p, Projection::O | Projection::Down) { deep } else { std };
                    param(normal.matrix([inner, out], std), device)
                };
                Block {
                    q: draw(Projection::Q),
                    k: draw(Projection::K),
                    v: draw(Projection::V),
                    o: draw(Projection::O),
                    gate: draw(Projection::Gate),
                    up: draw(Projection::Up),
                    down: draw(Projection::Down),
                    attn_norm: ones(dims.d_model),
                    mlp_norm: ones(dims.d_model),
                }
            })
            .collect();
        let head = (!config.tied).then(|| param(normal.matrix([dims.d_model, dims.vocab], std), device));
        Self { embedding, blocks, norm: ones(dims.d_model), head, config, fingerprint: None }
    }

    /// The same weights, shared, on a backend that tracks gradients: for
    /// [`DifferentiableModel`]. A graph of its own, so that threads can hold one each.
    #[must_use]
    pub fn differentiable<A: AutodiffBackend<InnerBackend = B>>(&self) -> Llama<A> {
        fn track<A: AutodiffBackend, const D: usize>(
            param: &Param<Tensor<A::InnerBackend, D>>,
        ) -> Param<Tensor<A, D>> {
            Param::from_tensor(Tensor::from_inner(param.val()).require_grad())
        }
        let blocks = self.blocks.iter().map(|block| Block {
            attn_norm: track::<A, 1>(&block.attn_norm),
            q: track::<A, 2>(&block.q),
            k: track::<A, 2>(&block.k),
            v: track::<A, 2>(&block.v),
            o: track::<A, 2>(&block.o),
            mlp_norm: track::<A, 1>(&block.mlp_norm),
            gate: track::<A, 2>(&block.gate),
            up: track::<A, 2>(&block.up),
            down: track::<A, 2>(&block.down),
        });
        Llama {
            embedding: track::<A, 2>(&self.embedding),
            blocks: blocks.collect(),
            norm: track::<A, 1>(&self.norm),
            head: self.head.as_ref().map(track::<A, 2>),
            config: self.config.clone(),
            fingerprint: self.fingerprint.clone(),
        }
    }

    /// The model's settings.
    #[must_use]
    pub fn config(&self) -> &LlamaConfig {
        &self.config
    }

    /// Every tensor under its Hugging Face name, in Hugging Face order, as f32.
    ///
    /// # Errors
    /// [`ModelError::Readback`].
    pub fn to_tensors(&self) -> Result<Vec<NamedTensor>, ModelError> {
        let mut out = vec![read("model.embed_tokens.weight".into(), self.embedding.val())?];
        for (layer, block) in self.blocks.iter().enumerate() {
            let norm = |name: &str| format!("model.layers.{layer}.{name}.weight");
            out.push(read(norm("input_layernorm"), block.attn_norm.val())?);
            out.push(read(norm("post_attention_layernorm"), block.mlp_norm.val())?);
            for p in Projection::ALL {
                out.push(read(ParamPath::of(layer, p).to_string(), block.linear(p).val().transpose())?);
            }
        }
        out.push(read("model.norm.weight".into(), self.norm.val())?);
        if let Some(head) = &self.head {
            out.push(read("lm_head.weight".into(), head.val().transpose())?);
        }
        Ok(out)
    }

    /// Runs a batch, appending its keys and values to `cache`; `batch` must follow
    /// what the cache holds ([`TokenBatch::following`]).
    ///
    /// Gives the final norm's output, `[rows, width, d_model]`.
    ///
    /// # Errors
    /// A token or position the model does not have, or the observer's own error.
    pub fn run(
        &self,
        batch: &TokenBatch,
        cache: Option<&mut KvCache<B>>,
        observer: &mut dyn Observer<B>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        let (dims, device) = (&self.config.dims, self.device());
        if let Some(&token) = batch.tokens().iter().find(|t| **t as usize >= dims.vocab) {
            return Err(ProbeError::TokenOutOfRange { token, vocab: dims.vocab });
        }
        let limit = self.config.max_positions;
        if let Some(&position) = batch.positions().iter().find(|p| **p >= limit) {
            return Err(ProbeError::ContextOverflow { position, limit });
        }
        let rotary =
            |heads| Rotary::new(batch.positions(), heads, dims.d_head, self.config.rope_theta, &device);
        let mut pass = Pass {
            batch,
            rotary_query: rotary(dims.heads),
            rotary_key: rotary(dims.kv_heads),
            queries: Regroup::new(batch.rows(), batch.width(), dims.heads, &device),
            keys: Regroup::new(batch.rows(), batch.width(), dims.kv_heads, &device),
            blocked: batch.blocked_tensor(&device).repeat_dim(1, dims.heads),
            observer,
            cache,
        };
        let ids = batch.token_tensor::<B>(&device).reshape([-1]);
        let embedded =
            self.embedding.val().select(0, ids).reshape([batch.rows(), batch.width(), dims.d_model]);
        let mut x = pass.observer.at(Site::Embedding, batch, embedded)?;
        for (layer, block) in self.blocks.iter().enumerate() {
            x = pass.see(layer, BlockSite::ResidPre, x)?;
            x = x.clone() + self.attention(layer, block, x, &mut pass)?;
            x = pass.see(layer, BlockSite::ResidMid, x)?;
            x = x.clone() + self.mlp(layer, block, x, &mut pass)?;
            x = pass.see(layer, BlockSite::ResidPost, x)?;
        }
        let x = rms_norm(x, self.norm.val(), self.config.rms_norm_eps);
        pass.observer.at(Site::FinalNorm, batch, x)
    }

    fn attention(
        &self,
        layer: usize,
        block: &Block<B>,
        x: Tensor<B, 3>,
        pass: &mut Pass<'_, B>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        let ModelDims { heads, kv_heads, d_head, .. } = self.config.dims;
        let [rows, width, _] = x.dims();
        let x = rms_norm(x, block.attn_norm.val(), self.config.rms_norm_eps);
        let x = pass.see(layer, BlockSite::AttnNorm, x)?;
        let q = pass.see(layer, BlockSite::Query, linear(x.clone(), block.q.val()))?;
        let k = pass.see(layer, BlockSite::Key, linear(x.clone(), block.k.val()))?;
        let v = pass.see(layer, BlockSite::Value, linear(x, block.v.val()))?;

        let flat = |t: Tensor<B, 3>, heads: usize| t.reshape([rows * width, heads * d_head]);
        let q = pass.rotary_query.turn(flat(q, heads)).mul_scalar((d_head as f64).sqrt().recip());
        let q = pass.queries.split(q, rows, width);
        let k = pass.keys.split(pass.rotary_key.turn(flat(k, kv_heads)), rows, width);
        let v = pass.keys.split(flat(v, kv_heads), rows, width);
        let (k, v) = match &mut pass.cache {
            Some(cache) => cache.append(layer, k, v),
            None => (k, v),
        };
        let columns = k.dims()[2];

        // Query heads that share a key/value head are stacked along the query axis:
        // grouped-query attention without repeating keys and values.
        let shared = heads / kv_heads;
        let scores = q.reshape([rows, kv_heads, shared * width, d_head]).matmul(k.transpose());
        let scores =
            scores.reshape([rows, heads, width, columns]).mask_fill(pass.blocked.clone(), f32::NEG_INFINITY);
        let pattern = pass.observer.at_pattern(layer, pass.batch, softmax(scores, 3))?;
        let mixed = pattern.reshape([rows, kv_heads, shared * width, columns]).matmul(v);
        let mixed = pass.queries.join(mixed.reshape([rows, heads, width, d_head]));
        let mixed = pass.see(layer, BlockSite::HeadOutput, mixed)?;
        pass.see(layer, BlockSite::AttnOut, linear(mixed, block.o.val()))
    }

    fn mlp(
        &self,
        layer: usize,
        block: &Block<B>,
        x: Tensor<B, 3>,
        pass: &mut Pass<'_, B>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        let x = rms_norm(x, block.mlp_norm.val(), self.config.rms_norm_eps);
        let x = pass.see(layer, BlockSite::MlpNorm, x)?;
        let gate = pass.see(layer, BlockSite::Gate, linear(x.clone(), block.gate.val()))?;
        let up = pass.see(layer, BlockSite::Up, linear(x, block.up.val()))?;
        let hidden = pass.see(layer, BlockSite::MlpHidden, silu(gate) * up)?;
        pass.see(layer, BlockSite::MlpOut, linear(hidden, block.down.val()))
    }

    fn param(&self, path: &ParamPath) -> Option<&Param<Tensor<B, 2>>> {
        let (layer, projection) = path.projection()?;
        Some(self.blocks.get(layer)?.linear(projection))
    }
}

impl<B: Backend> Block<B> {
    fn load(
        tensors: &mut Tensors<'_>,
        dims: &ModelDims,
        layer: usize,
        device: &B::Device,
    ) -> Result<Self, ModelError> {
        let mut norm = |name: &str| {
            vector(tensors, &format!("model.layers.{layer}.{name}.weight"), dims.d_model, device)
        };
        let (attn_norm, mlp_norm) = (norm("input_layernorm")?, norm("post_attention_layernorm")?);
        let mut linear =
            |p: Projection| matrix(tensors, ParamPath::of(layer, p).as_str(), dims.shape(p), device);
        Ok(Self {
            attn_norm,
            q: linear(Projection::Q)?,
            k: linear(Projection::K)?,
            v: linear(Projection::V)?,
            o: linear(Projection::O)?,
            mlp_norm,
            gate: linear(Projection::Gate)?,
            up: linear(Projection::Up)?,
            down: linear(Projection::Down)?,
        })
    }
}

fn param<B: Backend, const D: usize>(data: TensorData, device: &B::Device) -> Param<Tensor<B, D>> {
    Param::from_tensor(Tensor::from_data(data.convert::<B::FloatElem>(), device))
}

fn vector<B: Backend>(
    tensors: &mut Tensors<'_>,
    name: &str,
    len: usize,
    device: &B::Device,
) -> Result<Param<Tensor<B, 1>>, ModelError> {
    let values = tensors.take(name, &[len])?;
    let len = values.len();
    Ok(param(TensorData::new(values, [len]), device))
}

/// Takes an `[out, in]` matrix and keeps it as `[in, out]`. One that did not fit the
/// config is left empty: the load report ends the load.
fn matrix<B: Backend>(
    tensors: &mut Tensors<'_>,
    name: &str,
    [out, inner]: [usize; 2],
    device: &B::Device,
) -> Result<Param<Tensor<B, 2>>, ModelError> {
    let values = tensors.take(name, &[out, inner])?;
    if values.is_empty() {
        return Ok(param(TensorData::new(Vec::<f32>::new(), [0, 0]), device));
    }
    let mut turned = vec![0f32; values.len()];
    const TILE: usize = 32;
    for row in (0..out).step_by(TILE) {
        for column in (0..inner).step_by(TILE) {
            for r in row..(row + TILE).min(out) {
                for c in column..(column + TILE).min(inner) {
                    turned[c * out + r] = values[r * inner + c];
                }
            }
        }
    }
    Ok(param(TensorData::new(turned, [inner, out]), device))
}

impl<B: Backend> HookedModel<B> for Llama<B> {
    fn dims(&self) -> &ModelDims {
        &self.config.dims
    }

    fn device(&self) -> B::Device {
        self.norm.val().device()
    }

    fn hidden(&self, batch: &TokenBatch, observer: &mut dyn Observer<B>) -> Result<Tensor<B, 3>, ProbeError> {
        self.run(batch, None, observer)
    }

    fn unembed(&self, hidden: Tensor<B, 3>) -> Tensor<B, 3> {
        match &self.head {
            Some(head) => linear(hidden, head.val()),
            None => linear(hidden, self.embedding.val().transpose()),
        }
    }

    fn weight(&self, path: &ParamPath) -> Result<Tensor<B, 2>, ProbeError> {
        let param = self.param(path).ok_or_else(|| ProbeError::NoSuchParam { path: path.clone() })?;
        Ok(param.val().transpose())
    }
}

impl<B: AutodiffBackend> DifferentiableModel<B> for Llama<B> {
    fn gradient(
        &self,
        path: &ParamPath,
        gradients: &B::Gradients,
    ) -> Result<Tensor<B::InnerBackend, 2>, ProbeError> {
        let param = self.param(path).ok_or_else(|| ProbeError::NoSuchParam { path: path.clone() })?;
        let gradient = param.val().grad(gradients);
        Ok(gradient.ok_or_else(|| ProbeError::NoGradient { path: path.clone() })?.transpose())
    }
}

impl<B: Backend> MaskTarget<B> for Llama<B> {
    fn weight(&self, path: &ParamPath) -> Result<Tensor<B, 2>, MaskError> {
        let param = self.param(path).ok_or_else(|| MaskError::NoSuchParam { path: path.clone() })?;
        Ok(param.val().transpose())
    }

    fn set_weight(&mut self, path: &ParamPath, value: Tensor<B, 2>) -> Result<(), MaskError> {
        let missing = || MaskError::NoSuchParam { path: path.clone() };
        let (layer, projection) = path.projection().ok_or_else(missing)?;
        let param = self.blocks.get_mut(layer).ok_or_else(missing)?.linear_mut(projection);
        let [inner, out] = param.val().dims();
        if value.dims() != [out, inner] {
            return Err(MaskError::ShapeMismatch {
                path: path.clone(),
                expected: [out, inner],
                found: value.dims(),
            });
        }
        // The detour over one axis makes the transposed view contiguous, which products run faster on.
        let contiguous = value.transpose().detach().reshape([inner * out]).reshape([inner, out]);
        *param = Param::from_tensor(contiguous);
        Ok(())
    }

    fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }
}
