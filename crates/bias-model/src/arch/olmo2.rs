//! OLMo 2 (OLMo Team 2024): Llama's blocks with norms after attention and MLP instead of before,
//! and with one RMS norm over the queries of all heads and one over all keys.

use super::gated::{self, Defaults};
use super::keys::Keys;
use super::layout::{LLAMA, Layout};
use super::plan::{Draft, QkNorm};
use crate::error::ModelError;

pub(super) const LAYOUT: Layout = Layout {
    attn_norm: None,
    attn_post_norm: Some("post_attention_layernorm"),
    mlp_norm: None,
    mlp_post_norm: Some("post_feedforward_layernorm"),
    ..LLAMA
};

pub(super) fn read(keys: &Keys) -> Result<Draft, ModelError> {
    base(keys, true)
}

/// The common parts of OLMo 2 and 3.
pub(super) fn base(keys: &Keys, one_rotary: bool) -> Result<Draft, ModelError> {
    let defaults = Defaults { layout: &LAYOUT, eps: 1e-5, one_rotary, ..Defaults::default() };
    let mut draft = gated::read(keys, &defaults)?;
    gated::attention_bias(keys, &mut draft.plan)?;
    draft.plan.qk_norm = Some(QkNorm::Whole);
    Ok(draft)
}
