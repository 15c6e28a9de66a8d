//! Phi-3 (Abdin et al. 2024) and Phi-4-mini: Llama's blocks with q, k and v in one matrix, and gate
//! and up in another. The rotary embedding may leave part of each head as it is.

use bias_types::{ModelDims, Projection};

use super::gated::{self, Defaults};
use super::keys::Keys;
use super::layout::{LLAMA, Layout, separate};
use super::piece::StoredRows;
use super::plan::Draft;
use super::rope_scaling::RopeScaling;
use crate::error::ModelError;

const LAYOUT: Layout = Layout { place, ..LLAMA };

/// `qkv_proj` stacks q, k and v; `gate_up_proj` stacks gate and up.
fn place(projection: Projection, dims: &ModelDims) -> StoredRows {
    let rows = dims.shape(projection)[0];
    let (q, kv) = (dims.heads * dims.d_head, dims.kv_heads * dims.d_head);
    let qkv = |first| StoredRows::slice("self_attn.qkv_proj", q + 2 * kv, first, rows);
    let mlp = |first| StoredRows::slice("mlp.gate_up_proj", 2 * dims.d_mlp, first, rows);
    match projection {
        Projection::Q => qkv(0),
        Projection::K => qkv(q),
        Projection::V => qkv(q + kv),
        Projection::Gate => mlp(0),
        Projection::Up => mlp(dims.d_mlp),
        Projection::O | Projection::Down => separate(projection, dims),
    }
}

pub(super) fn read(keys: &Keys) -> Result<Draft, ModelError> {
    let defaults = Defaults {
        layout: &LAYOUT,
        positions: 4096,
        eps: 1e-5,
        one_rotary: false,
        ..Defaults::default()
    };
    let mut draft = gated::read(keys, &defaults)?;
    let mut rope_defaults = gated::rope_defaults(keys, &draft.dims, draft.positions, 10_000.0)?;
    rope_defaults.original = rope_defaults.original.or(Some(4096));
    rope_defaults.may_be_partial = true;
    let rotary = gated::rotary(keys, &rope_defaults)?;
    if !matches!(rotary.scaling, RopeScaling::Plain | RopeScaling::Long { .. }) {
        let value = keys.value("rope_scaling").or_else(|| keys.value("rope_parameters")).cloned();
        let reason = "Phi-3 is stretched by longrope alone";
        return Err(keys.unsupported("rope_scaling", &value.unwrap_or_default(), reason));
    }
    draft.plan.rotary = vec![rotary];
    keys.only("attention_bias", false.into(), "Phi-3's projections have no biases")?;
    gated::window_everywhere(&mut draft.plan, keys.size("sliding_window")?);
    Ok(draft)
}
