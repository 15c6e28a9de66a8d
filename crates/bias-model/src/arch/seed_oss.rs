//! Seed-OSS (ByteDance 2025): Llama's blocks with biases on q, k and v.

use super::gated::{self, Defaults};
use super::keys::Keys;
use super::plan::Draft;
use crate::error::ModelError;

pub(super) fn read(keys: &Keys) -> Result<Draft, ModelError> {
    let defaults = Defaults {
        // `null` means `hidden_size / num_attention_heads`.
        d_head: (!keys.has("head_dim")).then_some(128),
        kv_heads: Some(8),
        positions: 524_288,
        ..Defaults::default()
    };
    let mut draft = gated::read(keys, &defaults)?;
    draft.plan.qkv_bias = keys.flag("attention_bias")?.unwrap_or(true);
    draft.plan.o_bias = keys.flag("attention_out_bias")?.unwrap_or(false);
    draft.plan.mlp_bias = keys.flag("mlp_bias")?.unwrap_or(false);
    Ok(draft)
}
