use bias_types::{ModelDims, Projection};

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
    /// The norm of queries and keys before rotation.
    pub qk_norm: Option<QkNorm>,
    /// Biases of q, k and v; of o; of the MLP.
    pub qkv_bias: bool,
    pub o_bias: bool,
    pub mlp_bias: bool,
    /// Attention and MLP read the same residual stream, and both are added to it.
    pub parallel: bool,
    /// Embeddings are multiplied by this factor.
    pub embedding_scale: Option<f64>,
    /// Queries are multiplied by this factor before the product with the keys.
    pub query_scale: f64,
    /// Queries are also divided by the layer's number, counted from 1.
    pub scale_by_layer: bool,
    /// `cap · tanh(x / cap)` on attention scores, and on logits.
    pub score_cap: Option<f64>,
    pub logit_cap: Option<f64>,
    /// Rotary embeddings; none if positions are learned.
    pub rotary: Vec<Rope>,
    /// The attention windows in use; `None` means no limit.
    pub windows: Vec<Option<usize>>,
    /// For each layer, the indices of its embedding in `rotary` and its window in `windows`.
    pub layers: Vec<LayerPlan>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LayerPlan {
    pub rotary: usize,
    pub window: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NormKind {
    /// `x / rms(x) · gain`
    Rms,
    /// `x / rms(x) · (1 + gain)`
    RmsPlusOne,
    /// `(x - mean) / deviation · gain + bias`
    Layer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QkNorm {
    /// Each head by itself; one gain for all.
    PerHead,
    /// All heads together.
    Whole,
}

impl Plan {
    /// Whether a linear map has a bias.
    pub(crate) fn has_bias(&self, projection: Projection) -> bool {
        match projection {
            Projection::Q | Projection::K | Projection::V => self.qkv_bias,
            Projection::O => self.o_bias,
            Projection::Gate | Projection::Up | Projection::Down => self.mlp_bias,
        }
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
