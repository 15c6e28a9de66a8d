//! Phi-1, Phi-1.5 and Phi-2 (Gunasekar et al. 2023): attention and MLP in parallel after one layer
//! norm, biases everywhere, also on the output head, part of each head rotated, no gate.

use bias_types::{ModelDims, Projection};

use super::gated::{self, Defaults};
use super::keys::Keys;
use super::layout::{LLAMA, Layout, separate};
use super::piece::StoredRows;
use super::plan::{Draft, NormKind, QkNorm};
use crate::error::ModelError;

const LAYOUT: Layout = Layout {
    norm: "final_layernorm",
    mlp_norm: None,
    q_norm: "self_attn.q_layernorm",
    k_norm: "self_attn.k_layernorm",
    place,
    ..LLAMA
};

fn place(projection: Projection, dims: &ModelDims) -> StoredRows {
    match projection {
        Projection::O => StoredRows::own("self_attn.dense", dims.d_model),
        Projection::Gate | Projection::Up => StoredRows::own("mlp.fc1", dims.d_mlp),
        Projection::Down => StoredRows::own("mlp.fc2", dims.d_model),
        _ => separate(projection, dims),
    }
}

pub(super) fn read(keys: &Keys) -> Result<Draft, ModelError> {
    let defaults = Defaults {
        layout: &LAYOUT,
        eps_key: "layer_norm_eps",
        eps: 1e-5,
        activation: "gelu_new",
        gated: false,
        one_rotary: false,
        ..Defaults::default()
    };
    let mut draft = gated::read(keys, &defaults)?;
    let mut rope_defaults = gated::rope_defaults(keys, &draft.dims, draft.positions, 10_000.0)?;
    rope_defaults.partial = keys.number("partial_rotary_factor")?.unwrap_or(0.5);
    rope_defaults.may_be_partial = true;
    let plan = &mut draft.plan;
    plan.rotary = vec![gated::rotary(keys, &rope_defaults)?];
    plan.norm = NormKind::Layer;
    (plan.parallel, plan.shared_norm) = (true, true);
    plan.attention_bias(true);
    (plan.mlp_bias, plan.head_bias) = (true, true);
    plan.qk_norm = keys.flag("qk_layernorm")?.unwrap_or(false).then_some(QkNorm::PerHead);
    Ok(draft)
}
