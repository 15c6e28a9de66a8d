//! gpt-oss (OpenAI 2025): biases everywhere, a window in every other layer, a score of no token at
//! all in attention, and a mixture of experts with a clamped gate for an MLP.

use super::activation::Activation;
use super::expert_layout::{ExpertForm, ExpertLayout};
use super::gated::{self, Defaults};
use super::keys::Keys;
use super::layout::{LLAMA, Layout};
use super::mixture;
use super::plan::{Draft, Gating, Routing};
use crate::error::ModelError;

const LAYOUT: Layout = Layout {
    sinks: Some("self_attn.sinks"),
    experts: Some(&ExpertLayout {
        routers: &["mlp.router"],
        shared: None,
        forms: &[
            ExpertForm::Stacked {
                gate_up: "mlp.experts.gate_up_proj",
                down: "mlp.experts.down_proj",
                transposed: true,
                alternating: true,
            },
            ExpertForm::Packed {
                blocks: "mlp.experts.gate_up_proj_blocks",
                gate_up: "mlp.experts.gate_up_proj",
                down: "mlp.experts.down_proj",
            },
        ],
    }),
    ..LLAMA
};

pub(super) fn read(keys: &Keys) -> Result<Draft, ModelError> {
    let defaults = Defaults {
        layout: &LAYOUT,
        kv_heads: Some(8),
        d_head: Some(64),
        positions: 131_072,
        eps: 1e-5,
        theta: 150_000.0,
        ..Defaults::default()
    };
    if keys.value("rope_scaling").or_else(|| keys.value("rope_parameters")).is_none() {
        let reason = "`rope_scaling` is missing, which this architecture has settings of";
        return Err(keys.impossible(reason.into()));
    }
    let mut draft = gated::read(keys, &defaults)?;
    draft.plan.attention_bias(keys.flag("attention_bias")?.unwrap_or(true));
    draft.plan.mlp_bias = true;
    draft.plan.routing = Routing::Chosen;
    // Whatever `hidden_act` says.
    draft.plan.activation = Activation::QuickGelu;
    keys.only("swiglu_alpha", 1.702.into(), "the gate is x · sigmoid(1.702 x)")?;
    let limit = gated::positive(keys, "swiglu_limit", Some(7.0))?;
    draft.plan.gating = limit.map_or(Gating::Product, Gating::Clamped);
    let window = if keys.has("sliding_window") { keys.size("sliding_window")? } else { Some(128) };
    gated::window_by_layer(keys, &mut draft.plan, window, |layer| layer % 2 == 0)?;
    // Another name of the rotary embedding's `original_max_position_embeddings`, which counts.
    keys.value("initial_context_length");
    // Another name of `num_experts_per_tok`.
    keys.either("num_experts_per_tok", "experts_per_token")?;
    mixture::divide(keys, draft, "intermediate_size", 0)
}
