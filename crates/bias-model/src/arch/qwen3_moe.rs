//! Qwen3-30B-A3B, Qwen3-235B-A22B: Qwen3's blocks with a mixture of experts for an MLP.

use super::expert_layout::{ExpertLayout, LISTED};
use super::gated::{self, Defaults};
use super::keys::Keys;
use super::layout::{LLAMA, Layout};
use super::mixture;
use super::plan::{Draft, QkNorm};
use crate::error::ModelError;

const LAYOUT: Layout = Layout {
    experts: Some(&ExpertLayout { routers: &["mlp.gate"], shared: None, forms: LISTED }),
    ..LLAMA
};

pub(super) fn read(keys: &Keys) -> Result<Draft, ModelError> {
    let defaults =
        Defaults { layout: &LAYOUT, kv_heads: Some(4), positions: 32_768, ..Defaults::default() };
    let mut draft = gated::read(keys, &defaults)?;
    gated::attention_bias(keys, &mut draft.plan)?;
    draft.plan.qk_norm = Some(QkNorm::PerHead);
    draft.plan.routing = mixture::normed(keys)?;
    let reason = "no published model of this architecture has a window";
    keys.only("use_sliding_window", false.into(), reason)?;
    // Without effect then.
    for key in ["sliding_window", "max_window_layers"] {
        keys.value(key);
    }
    mixture::everywhere(keys)?;
    mixture::divide(keys, draft, "moe_intermediate_size", 0)
}
