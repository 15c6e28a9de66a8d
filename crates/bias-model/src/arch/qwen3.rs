//! Qwen3 (Yang et al. 2025): Llama's blocks with an RMS norm on each head's queries and keys.

use super::gated::{self, Defaults};
use super::keys::Keys;
use super::plan::{Draft, QkNorm};
use super::qwen2;
use crate::error::ModelError;

pub(super) fn read(keys: &Keys) -> Result<Draft, ModelError> {
    let defaults = Defaults {
        kv_heads: Some(32),
        positions: 32_768,
        d_head: Some(128),
        ..Defaults::default()
    };
    let mut draft = gated::read(keys, &defaults)?;
    gated::attention_bias(keys, &mut draft.plan)?;
    draft.plan.qk_norm = Some(QkNorm::PerHead);
    qwen2::window(keys, &mut draft.plan)?;
    Ok(draft)
}
