//! OLMoE (Muennighoff et al. 2024): Llama's blocks with one RMS norm over the queries of all heads
//! and one over all keys, and a mixture of experts for an MLP.

use serde_json::Value;

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
    let defaults = Defaults { layout: &LAYOUT, positions: 4096, eps: 1e-5, ..Defaults::default() };
    let mut draft = gated::read(keys, &defaults)?;
    gated::attention_bias(keys, &mut draft.plan)?;
    draft.plan.qk_norm = Some(QkNorm::Whole);
    draft.plan.routing = mixture::normed(keys)?;
    keys.only("clip_qkv", Value::Null, "queries, keys and values are not clipped")?;
    mixture::divide(keys, draft, "intermediate_size", 0)
}
