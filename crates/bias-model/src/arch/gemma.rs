//! Gemma (Gemma Team 2024), the first: Llama's blocks with scaled embeddings, norms with gain
//! `1 + w`, and a gate with GELU.

use serde_json::Value;

use super::activation::Activation;
use super::gated::{self, Defaults};
use super::keys::Keys;
use super::plan::{Draft, NormKind};
use crate::error::ModelError;

pub(super) fn read(keys: &Keys) -> Result<Draft, ModelError> {
    let defaults = Defaults {
        d_head: Some(256),
        kv_heads: Some(16),
        positions: 8192,
        activation: "gelu_pytorch_tanh",
        tied: true,
        ..Defaults::default()
    };
    let mut draft = gated::read(keys, &defaults)?;
    let plan = &mut draft.plan;
    // The first files say `gelu` and mean its approximation by tanh.
    if plan.activation == Activation::Gelu {
        plan.activation = Activation::GeluTanh;
    }
    // Version 4 of transformers followed this key, version 5 passes over it.
    if let Some(name) = keys.text("hidden_activation")?
        && Activation::by_name(name) != Some(plan.activation)
    {
        let reason = "transformers 5 follows `hidden_act`, which says otherwise";
        return Err(keys.unsupported("hidden_activation", &Value::from(name), reason));
    }
    plan.norm = NormKind::RmsPlusOne;
    plan.embedding_scale = Some((draft.dims.d_model as f64).sqrt());
    gated::attention_bias(keys, plan)?;
    keys.only("use_bidirectional_attention", false.into(), "only causal attention is computed")?;
    Ok(draft)
}
