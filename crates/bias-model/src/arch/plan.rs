use bias_types::{ModelDims, Projection};
use burn::tensor::{Tensor, backend::Backend};

use super::activation::Activation;
use super::layout::Layout;
use super::rope_scaling::Rope;

/// The result of reading a config for an architecture.
pub(crate) struct Draft {
    pub dims: ModelDims,
    /// `max_position_embeddings`
    pub positions: usize,
    pub tied: bool,
    pub plan: Plan,
}

/// How the blocks compute: everything that differs between architectures.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub layout: &'static Layout,
    pub norm: NormKind,
    pub eps: f64,
    pub activation: Activation,
    pub gating: Gating,
    /// How a mixture of experts weighs them.
    pub routing: Routing,
    /// The norm of queries and keys before rotation.
    pub qk_norm: Option<QkNorm>,
    /// Biases of q, k and v; of o; of the MLP.
    pub qkv_bias: bool,
    pub o_bias: bool,
    pub mlp_bias: bool,
    /// The bias of the unembedding.
    pub head_bias: bool,
    /// Attention and MLP read the same residual stream, and both are added to it.
    pub parallel: bool,
    /// The norm before attention is also the one before the MLP. Only where both are `parallel`.
    pub shared_norm: bool,
    /// Embeddings are multiplied by this factor.
    pub embedding_scale: Option<f64>,
    /// The outputs of attention and MLP are multiplied by this factor before they are added.
    pub residual_scale: Option<f64>,
    /// Queries are multiplied by this factor before the product with the keys.
    pub query_scale: f64,
    /// Queries are also divided by the layer's number, counted from 1.
    pub scale_by_layer: bool,
    /// Queries are also multiplied by a factor that grows with their position.
    pub query_growth: Option<QueryGrowth>,
    /// `cap · tanh(x / cap)` on attention scores, and on logits.
    pub score_cap: Option<f64>,
    pub logit_cap: Option<f64>,
    /// Logits are multiplied by this factor, before any cap.
    pub logit_scale: Option<f64>,
    /// Position `p` has row `p + position_offset` in the table of learned positions.
    pub position_offset: usize,
    /// Rotary embeddings; none if positions are learned.
    pub rotary: Vec<Rope>,
    /// The attention windows in use; `None` means no limit.
    pub windows: Vec<Option<usize>>,
    /// For each layer, the indices of its embedding in `rotary` and its window in `windows`.
    pub layers: Vec<LayerPlan>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LayerPlan {
    /// None if queries and keys are not rotated in this layer.
    pub rotary: Option<usize>,
    pub window: usize,
}

/// `1 + beta · ln(1 + ⌊position / original⌋)`, applied to queries after rotation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct QueryGrowth {
    pub beta: f64,
    pub original: usize,
}

/// What the hidden channels of a gated MLP are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Gating {
    /// `act(gate) · up`
    Product,
    /// `act(min(gate, limit)) · (1 + clamp(up, −limit, limit))`
    Clamped(f64),
}

/// The weights of the experts that a router chooses: those of the highest scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Routing {
    /// A softmax over the scores of the chosen.
    Chosen,
    /// A softmax over all scores. The weights of the chosen do not add up to 1.
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NormKind {
    /// `x / rms(x) · gain`
    Rms,
    /// `x / rms(x) · (1 + gain)`
    RmsPlusOne,
    /// `(x - mean) / deviation · gain + bias`
    Layer,
    /// `(x - mean) / deviation · gain`
    LayerNoBias,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QkNorm {
    /// Each head by itself; one gain for all.
    PerHead,
    /// All heads together.
    Whole,
}

impl Plan {
    /// A gate after its activation.
    pub(crate) fn gate_activated<B: Backend, const D: usize>(
        &self,
        gate: Tensor<B, D>,
    ) -> Tensor<B, D> {
        self.activation.apply(match self.gating {
            Gating::Product => gate,
            Gating::Clamped(limit) => gate.clamp_max(limit),
        })
    }

    /// The hidden channels of a gated MLP.
    pub(crate) fn gated<B: Backend, const D: usize>(
        &self,
        activated: Tensor<B, D>,
        up: Tensor<B, D>,
    ) -> Tensor<B, D> {
        activated
            * match self.gating {
                Gating::Product => up,
                Gating::Clamped(limit) => up.clamp(-limit, limit).add_scalar(1.0),
            }
    }

    /// The plan of Llama's first version: RMS norms, SiLU, no biases, no window, no multipliers.
    /// Architectures change what differs.
    pub(crate) fn new(layout: &'static Layout, dims: &ModelDims) -> Self {
        Self {
            layout,
            norm: NormKind::Rms,
            eps: 1e-6,
            activation: Activation::Silu,
            gating: Gating::Product,
            routing: Routing::Chosen,
            qk_norm: None,
            qkv_bias: false,
            o_bias: false,
            mlp_bias: false,
            head_bias: false,
            parallel: false,
            shared_norm: false,
            embedding_scale: None,
            residual_scale: None,
            query_scale: (dims.d_head as f64).sqrt().recip(),
            scale_by_layer: false,
            query_growth: None,
            score_cap: None,
            logit_cap: None,
            logit_scale: None,
            position_offset: 0,
            rotary: Vec::new(),
            windows: vec![None],
            layers: vec![LayerPlan { rotary: Some(0), window: 0 }; dims.layers],
        }
    }

    /// Sets the biases of all linear maps of attention.
    pub(crate) fn attention_bias(&mut self, bias: bool) {
        (self.qkv_bias, self.o_bias) = (bias, bias);
    }

    /// Whether a linear map has a bias.
    pub(crate) fn has_bias(&self, projection: Projection) -> bool {
        match projection {
            Projection::Q | Projection::K | Projection::V => self.qkv_bias,
            Projection::O => self.o_bias,
            // In a mixture, each expert has one of its own.
            Projection::Down if self.layout.experts.is_some() => false,
            Projection::Gate | Projection::Up | Projection::Down => self.mlp_bias,
        }
    }
}

impl NormKind {
    /// Whether the mean is taken off first.
    pub(crate) fn is_centred(self) -> bool {
        matches!(self, Self::Layer | Self::LayerNoBias)
    }
}

impl QkNorm {
    pub(crate) fn width(self, dims: &ModelDims, heads: usize) -> usize {
        match self {
            Self::PerHead => dims.d_head,
            Self::Whole => heads * dims.d_head,
        }
    }
}
