use std::ops::Range;

use bias_cube::matmul;
use bias_mask::MaskError;
use bias_probe::device::compute_dtype;
use bias_types::{ParamPath, Projection};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{
    DType, Tensor, TensorData,
    backend::{AutodiffBackend, Backend},
};
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use super::block::Block;
use super::graph_cuts::Cuts;
use super::init::Normal;
use super::linear::{Linear, Norm};
use super::loader::{Loader, fits};
use super::matrix::Matrix;
use super::params::{Follow, param};
use super::progress::{LayerDone, Progress};
use super::router::Router;
use crate::arch::piece::Piece;
use crate::arch::plan::{NormKind, Plan};
use crate::checkpoint::config::ModelConfig;
use crate::checkpoint::precision::Precision;
use crate::checkpoint::tying::Head;
use crate::checkpoint::weights::Checkpoint;
use crate::error::ModelError;

/// A decoder-only transformer of any supported [`Architecture`](crate::arch::Architecture), on
/// any burn backend.
///
/// Callers see one layout, whatever that of the checkpoint: seven matrices per block (six if the
/// MLP has no gate), `[out, in]`, under Llama's names
/// ([`Weights::weight`](bias_probe::Weights::weight), [`MaskTarget`](bias_mask::MaskTarget)).
/// Loading takes fused, interleaved and transposed weights apart, and saving puts them together
/// again. In memory, linear maps are contiguous `[in, out]`, the fastest layout for matrix
/// products.
#[derive(Module, Debug)]
pub struct Decoder<B: Backend> {
    /// A table, `[vocab, d_model]`.
    pub(crate) embedding: Matrix<B>,
    /// `[positions, d_model]`, if positions are learned.
    pub(crate) positions: Option<Param<Tensor<B, 2>>>,
    pub(crate) blocks: Vec<Block<B>>,
    pub(crate) norm: Norm<B>,
    /// `[d_model, vocab]`; absent if the embedding serves as the head.
    pub(crate) head: Option<Matrix<B>>,
    /// `[vocab]`, added to the logits.
    pub(crate) head_bias: Option<Param<Tensor<B, 1>>>,
    #[module(skip)]
    pub(super) config: ModelConfig,
    /// The checkpoint that it was loaded from.
    #[module(skip)]
    pub(super) checkpoint: Option<Checkpoint>,
    #[module(skip)]
    pub(super) progress: Progress,
    /// Only in the handle that the loss of a model left in its file gets.
    #[module(skip)]
    pub(super) cuts: Option<Cuts>,
}

/// The number of vocabulary rows that are widened at a time, if weights are narrower than the
/// computing type.
const VOCAB_AT_ONCE: usize = 16_384;

impl<B: Backend> Decoder<B> {
    /// Reads a model folder's weights onto a device, blocks side by side on all cores. With
    /// [`Precision::Mapped`] it only looks up their places.
    ///
    /// If the config ties the embedding and the head and the files hold both, they are compared.
    /// Two that differ are both kept, as transformers does, and the model's
    /// [`config`](Self::config) is then not [`tied`](ModelConfig::tied).
    ///
    /// # Errors
    /// Any fault in the files: see [`ModelError`]. [`ModelError::Memory`] if the weights would not
    /// fit.
    pub fn load(
        checkpoint: &Checkpoint,
        config: ModelConfig,
        precision: Precision,
        device: &B::Device,
    ) -> Result<Self, ModelError> {
        let (dims, layout) = (config.dims, config.plan.layout);
        let narrow =
            [DType::BF16, DType::F16].iter().all(|dtype| B::supports_dtype(device, *dtype));
        let precision = match (narrow, compute_dtype::<B>(device)) {
            _ if precision == Precision::Mapped => precision,
            (true, DType::BF16 | DType::F16) => Precision::Stored,
            (true, _) => precision,
            (false, _) => Precision::F32,
        };
        let mut tensors = checkpoint.tensors()?;
        let names = config.names(|name| tensors.has(name));
        tensors.ignore(|name| {
            layout.redundant.iter().any(|ending| name.ends_with(ending))
                || config.wrapper.is_some_and(|wrapper| wrapper.is_elsewhere(name))
        });
        let (mut table, head) = config.table_names(names);
        let config = match tensors.head(&config, names)? {
            Head::Own => config,
            Head::Tied => {
                // Stored once more, equal to the embedding.
                tensors.ignore(|name| name == head);
                config
            }
            Head::Alone => {
                table.clone_from(&head);
                config
            }
            Head::Both => config.untied(),
        };
        if precision != Precision::Mapped {
            fits::<B>(checkpoint, &tensors, precision, device)?;
        }
        let base = names.base;
        let loader =
            Loader { checkpoint, tensors: &tensors, config: &config, base, precision, device };
        let embedding = loader.table(&table, [dims.vocab, dims.d_model])?;
        let positions = layout.positions.map(|name| {
            let name = format!("{base}{name}.weight");
            loader.vectors(&name, [config.table_rows(), dims.d_model])
        });
        let positions = positions.transpose()?;
        let blocks = (0..dims.layers).into_par_iter().map(|layer| loader.block(layer));
        let blocks = blocks.collect::<Result<Vec<_>, _>>()?;
        let norm = loader.norm(layout.norm.to_owned(), dims.d_model)?;
        let head = if config.tied {
            None
        } else {
            let shape = [dims.vocab, dims.d_model];
            Some(loader.matrix(shape, &[Piece::whole(names.head, shape)], |_| head.clone())?)
        };
        let head_bias = config
            .plan
            .head_bias
            .then(|| loader.vector(&format!("{}.bias", names.head), dims.vocab));
        let head_bias = head_bias.transpose()?;
        tensors.finish()?;
        if precision != Precision::Mapped {
            // Of what was read, before the files can change.
            checkpoint.fingerprint()?;
        }
        Ok(Self {
            embedding,
            positions,
            blocks,
            norm,
            head,
            head_bias,
            config,
            checkpoint: Some(checkpoint.clone()),
            progress: Progress::default(),
            cuts: None,
        })
    }

    /// A model with fresh weights drawn from N(0, `std`²), residual outputs scaled by
    /// `1/sqrt(2·layers)` (Radford et al. 2019); gains are 1 and biases 0.
    ///
    /// The draws depend on `seed` alone, so they are the same on every backend.
    pub fn init(config: ModelConfig, std: f32, seed: u64, device: &B::Device) -> Self {
        let (dims, plan) = (config.dims, &config.plan);
        let mut normal = Normal::new(seed);
        let deep = std / (2.0 * dims.layers as f32).sqrt();
        let constant = |n: usize, value: f32| param(TensorData::new(vec![value; n], [n]), device);
        let gain = if plan.norm == NormKind::RmsPlusOne { 0.0 } else { 1.0 };
        let norm = |n: usize| Norm {
            gain: constant(n, gain),
            bias: (plan.norm == NormKind::Layer).then(|| constant(n, 0.0)),
        };
        let head_bias = plan.head_bias.then(|| constant(dims.vocab, 0.0));
        let embedding = Matrix::held(param(normal.matrix([dims.vocab, dims.d_model], std), device));
        let positions = plan.layout.positions;
        let positions = positions
            .map(|_| param(normal.matrix([config.table_rows(), dims.d_model], std), device));
        let blocks = (0..dims.layers).map(|_| {
            let layout = plan.layout;
            let router = dims.experts.map(|experts| {
                let mut scores = |out: usize, bias: bool| Linear {
                    weight: Matrix::held(param(normal.matrix([dims.d_model, out], std), device)),
                    bias: bias.then(|| constant(out, 0.0)),
                };
                let shared = (experts.shared > 0).then(|| scores(1, false));
                let none = || vec![0.0; experts.all() * dims.d_model];
                let down_bias =
                    || param(TensorData::new(none(), [experts.all(), dims.d_model]), device);
                Router {
                    scores: scores(experts.count, plan.mlp_bias),
                    shared,
                    down_bias: plan.mlp_bias.then(down_bias),
                }
            });
            let mut draw = |p: Projection| {
                let [out, inner] = dims.shape(p);
                let std = if matches!(p, Projection::O | Projection::Down) { deep } else { std };
                Linear {
                    weight: Matrix::held(param(normal.matrix([inner, out], std), device)),
                    bias: plan.has_bias(p).then(|| constant(out, 0.0)),
                }
            };
            Block {
                router,
                sinks: layout.sinks.map(|_| constant(dims.heads, 0.0)),
                q: draw(Projection::Q),
                k: draw(Projection::K),
                v: draw(Projection::V),
                o: draw(Projection::O),
                gate: dims.gated.then(|| draw(Projection::Gate)),
                up: draw(Projection::Up),
                down: draw(Projection::Down),
                attn_norm: layout.attn_norm.map(|_| norm(dims.d_model)),
                attn_post_norm: layout.attn_post_norm.map(|_| norm(dims.d_model)),
                mlp_norm: layout.mlp_norm.map(|_| norm(dims.d_model)),
                mlp_post_norm: layout.mlp_post_norm.map(|_| norm(dims.d_model)),
                q_norm: plan.qk_norm.map(|kind| norm(kind.width(&dims, dims.heads))),
                k_norm: plan.qk_norm.map(|kind| norm(kind.width(&dims, dims.kv_heads))),
            }
        });
        let blocks = blocks.collect();
        let head = (!config.tied)
            .then(|| Matrix::held(param(normal.matrix([dims.d_model, dims.vocab], std), device)));
        let norm = norm(dims.d_model);
        let progress = Progress::default();
        Self {
            embedding,
            positions,
            blocks,
            norm,
            head,
            head_bias,
            config,
            checkpoint: None,
            progress,
            cuts: None,
        }
    }

    /// The same weights on a backend that can track gradients, shared if they need no widening: for
    /// [`DifferentiableModel`](bias_probe::DifferentiableModel), and for an
    /// [`Observer`](bias_probe::Observer) that tracks. No weight is tracked, so a pass without
    /// tracking keeps nothing.
    #[must_use]
    pub fn differentiable<A: AutodiffBackend<InnerBackend = B>>(&self) -> Decoder<A> {
        self.on_graph(Follow::Nothing)
    }

    /// The same with every parameter in memory tracked, for training.
    #[must_use]
    pub fn trainable<A: AutodiffBackend<InnerBackend = B>>(&self) -> Decoder<A> {
        self.on_graph(Follow::All)
    }

    fn on_graph<A: AutodiffBackend<InnerBackend = B>>(&self, follow: Follow) -> Decoder<A> {
        Decoder {
            embedding: self.embedding.on_graph(|table| follow.param(table)),
            positions: self.positions.as_ref().map(|positions| follow.param(positions)),
            blocks: self.blocks.iter().map(|block| block.on_graph(follow)).collect(),
            norm: self.norm.on_graph(follow),
            head: self.head.as_ref().map(|head| head.on_graph(|table| follow.param(table))),
            head_bias: self.head_bias.as_ref().map(|bias| follow.param(bias)),
            config: self.config.clone(),
            checkpoint: self.checkpoint.clone(),
            progress: self.progress.clone(),
            cuts: None,
        }
    }

    /// Calls a function after every layer that is read from the file, to show progress.
    pub fn on_layer(&mut self, call: impl Fn(&LayerDone) + Send + Sync + 'static) {
        self.progress = Progress::new(call);
    }

    /// The model's settings.
    #[must_use]
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The same weights with other settings, which must fit them.
    pub(crate) fn with_config(self, config: ModelConfig) -> Self {
        Self { config, ..self }
    }

    /// The bytes of the weights in memory.
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        /// Adds up the parameters it visits.
        struct Bytes(usize);
        impl<B: Backend> ModuleVisitor<B> for Bytes {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
                let tensor = param.val();
                self.0 += tensor.shape().num_elements() * tensor.dtype().size();
            }
        }
        let mut bytes = Bytes(0);
        self.visit(&mut bytes);
        bytes.0
    }

    /// `x`, `[cells, d_model]`, times the unembedding table, `[d_model, vocab]`. A large vocabulary
    /// is processed in slices, so that no second copy of the table is ever in memory.
    pub(super) fn sliced(&self, x: Tensor<B, 2>) -> Result<Tensor<B, 2>, ModelError> {
        let slices = self.slices().map(|slice| Ok(matmul(x.clone(), self.scoring(slice)?)));
        Ok(Tensor::cat(slices.collect::<Result<_, ModelError>>()?, 1))
    }

    /// The vocabulary in slices.
    pub(crate) fn slices(&self) -> impl Iterator<Item = Range<usize>> + use<B> {
        let vocab = self.config.dims.vocab;
        (0..vocab).step_by(VOCAB_AT_ONCE).map(move |from| from..vocab.min(from + VOCAB_AT_ONCE))
    }

    /// The unembedding of a slice of the vocabulary, `[d_model, tokens]`.
    pub(crate) fn scoring(&self, slice: Range<usize>) -> Result<Tensor<B, 2>, ModelError> {
        let device = self.norm.gain.val().device();
        match &self.head {
            Some(head) => head.columns(slice.start, slice.len(), &device),
            None => self.embedding.turned_columns(slice.start, slice.len(), &device),
        }
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.config.plan
    }

    pub(super) fn linear(&self, path: &ParamPath) -> Option<&Linear<B>> {
        if let Some(layer) = path.router_layer() {
            return Some(&self.blocks.get(layer)?.router.as_ref()?.scores);
        }
        let (layer, projection) = path.projection()?;
        self.blocks.get(layer)?.linear(projection)
    }

    pub(super) fn linear_mut(&mut self, path: &ParamPath) -> Result<&mut Linear<B>, MaskError> {
        let linear = match (path.router_layer(), path.projection()) {
            (Some(layer), _) => self
                .blocks
                .get_mut(layer)
                .and_then(|block| Some(&mut block.router.as_mut()?.scores)),
            (None, Some((layer, p))) => {
                self.blocks.get_mut(layer).and_then(|block| block.linear_mut(p))
            }
            (None, None) => None,
        };
        linear.ok_or_else(|| MaskError::NoSuchParam { path: path.clone() })
    }

    pub(super) fn matrix(&self, path: &ParamPath) -> Option<&Matrix<B>> {
        Some(&self.linear(path)?.weight)
    }
}
