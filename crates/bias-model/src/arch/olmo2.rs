//! OLMo 2 (OLMo Team 2024): Llama's blocks with norms after attention and MLP instead of before,
//! and with one RMS norm over the queries of all heads and one over all keys.

use super::gated::{self, Defaults};
use super::keys::Keys;
use super::layout::{LLAMA, Layout};
use super::plan::{Draft, QkNorm};
use crate::error::ModelError;

const LAYOUT: Layout = Layout {
    attn_norm: None,
    attn_post_norm: Some("post_attention_layernorm"),
    mlp_norm: None,
    mlp_post_norm: Some("post_feedforward_layernorm"),
    ..LLAMA
};

pub(super) fn read(keys: &Keys) -> Result<Draft, ModelError> {
    let mut draft =
        gated::read(keys, &Defaults { layout: &LAYOUT, eps: 1e-5, ..Defaults::default() })?;
    let bias = keys.flag("attention_bias")?.unwrap_or(false);
    draft.plan.qkv_bias = bias;
    draft.plan.o_bias = bias;
    draft.plan.qk_norm = Some(QkNorm::Whole);
    Ok(draft)
}
