//! Qwen1.5-MoE, Qwen2-57B-A14B: Qwen2's blocks with a mixture of experts for an MLP. Every token
//! reaches one more expert, by a score of its own.

use super::expert_layout::{ExpertLayout, LISTED, SharedExpert};
use super::gated::{self, Defaults};
use super::keys::Keys;
use super::layout::{LLAMA, Layout};
use super::plan::Draft;
use super::{mixture, qwen2};
use crate::error::ModelError;

const LAYOUT: Layout = Layout {
    experts: Some(&ExpertLayout {
        routers: &["mlp.gate"],
        shared: Some(SharedExpert { module: "mlp.shared_expert", score: "mlp.shared_expert_gate" }),
        forms: LISTED,
    }),
    ..LLAMA
};

pub(super) fn read(keys: &Keys) -> Result<Draft, ModelError> {
    let defaults =
        Defaults { layout: &LAYOUT, kv_heads: Some(16), positions: 32_768, ..Defaults::default() };
    let mut draft = gated::read(keys, &defaults)?;
    draft.plan.qkv_bias = keys.flag("qkv_bias")?.unwrap_or(true);
    draft.plan.routing = mixture::normed(keys)?;
    qwen2::window(keys, &mut draft.plan)?;
    mixture::everywhere(keys)?;
    let shared = keys.required("shared_expert_intermediate_size")?;
    if shared == 0 {
        return Err(keys.impossible("shared_expert_intermediate_size is 0".into()));
    }
    mixture::divide(keys, draft, "moe_intermediate_size", shared)
}
