//! Gemma 2 (Gemma Team 2024): scaled embeddings, norms with gain `1 + w` before and after attention
//! and MLP, soft caps on scores and logits, a window in every other layer.

use super::gated::{self, Defaults};
use super::keys::Keys;
use super::layout::{LLAMA, Layout};
use super::plan::{Draft, NormKind};
use crate::error::ModelError;

pub(super) const LAYOUT: Layout = Layout {
    attn_post_norm: Some("post_attention_layernorm"),
    mlp_norm: Some("pre_feedforward_layernorm"),
    mlp_post_norm: Some("post_feedforward_layernorm"),
    ..LLAMA
};

pub(super) fn read(keys: &Keys) -> Result<Draft, ModelError> {
    let defaults = Defaults { positions: 8192, ..defaults() };
    let mut draft = base(keys, &defaults)?;
    // `null` switches a cap off; a config without the key has the default.
    let cap =
        |key: &str, default: f64| gated::positive(keys, key, (!keys.has(key)).then_some(default));
    draft.plan.score_cap = cap("attn_logit_softcapping", 50.0)?;
    draft.plan.logit_cap = cap("final_logit_softcapping", 30.0)?;
    let window = if keys.has("sliding_window") { keys.size("sliding_window")? } else { Some(4096) };
    gated::window_by_layer(keys, &mut draft.plan, window, |layer| layer % 2 == 0)?;
    Ok(draft)
}

/// The defaults that Gemma 2 and 3 share.
pub(super) fn defaults() -> Defaults {
    Defaults {
        layout: &LAYOUT,
        d_head: Some(256),
        kv_heads: Some(4),
        tied: true,
        ..Defaults::default()
    }
}

/// The common parts of Gemma 2 and 3.
pub(super) fn base(keys: &Keys, defaults: &Defaults) -> Result<Draft, ModelError> {
    // The key that counts is `hidden_activation`; `hidden_act` stands beside it in old files,
    // unread.
    let activation = gated::activation(keys, "hidden_activation", "gelu_pytorch_tanh")?;
    let mut draft = gated::read(keys, defaults)?;
    let plan = &mut draft.plan;
    plan.activation = activation;
    plan.norm = NormKind::RmsPlusOne;
    plan.embedding_scale = Some((draft.dims.d_model as f64).sqrt());
    let scalar = gated::positive(keys, "query_pre_attn_scalar", Some(256.0))?;
    plan.query_scale = scalar.unwrap_or(256.0).sqrt().recip();
    gated::attention_bias(keys, plan)?;
    keys.only("use_bidirectional_attention", false.into(), "only causal attention is computed")?;
    Ok(draft)
}
