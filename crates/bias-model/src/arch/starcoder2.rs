//! StarCoder2 (Lozhkov et al. 2024): layer norms, biases everywhere, no gate, rotary embeddings.

use bias_types::{ModelDims, Projection};

use super::gated::{self, Defaults};
use super::keys::Keys;
use super::layout::{LLAMA, Layout, separate};
use super::piece::StoredRows;
use super::plan::{Draft, NormKind};
use crate::error::ModelError;

const LAYOUT: Layout = Layout { place, ..LLAMA };

fn place(projection: Projection, dims: &ModelDims) -> StoredRows {
    match projection {
        Projection::Gate | Projection::Up => StoredRows::own("mlp.c_fc", dims.d_mlp),
        Projection::Down => StoredRows::own("mlp.c_proj", dims.d_model),
        _ => separate(projection, dims),
    }
}

pub(super) fn read(keys: &Keys) -> Result<Draft, ModelError> {
    let defaults = Defaults {
        layout: &LAYOUT,
        kv_heads: Some(2),
        positions: 4096,
        eps_key: "norm_epsilon",
        eps: 1e-5,
        activation: "gelu_pytorch_tanh",
        gated: false,
        tied: true,
        ..Defaults::default()
    };
    let mut draft = gated::read(keys, &defaults)?;
    let plan = &mut draft.plan;
    plan.norm = NormKind::Layer;
    let bias = keys.flag("use_bias")?.unwrap_or(true);
    plan.attention_bias(bias);
    plan.mlp_bias = bias;
    gated::window_everywhere(plan, keys.size("sliding_window")?);
    // The published files name what transformers has built in.
    keys.only("mlp_type", "default".into(), "only an MLP without a gate is computed")?;
    keys.only("norm_type", "layer_norm".into(), "only layer norms are computed")?;
    Ok(draft)
}
