//! Qwen2 and Qwen2.5 (Yang et al. 2024): Llama's blocks with biases on q, k and v. The upper layers
//! may have a window.

use super::gated::{self, Defaults};
use super::keys::Keys;
use super::plan::{Draft, Plan};
use crate::error::ModelError;

pub(super) fn read(keys: &Keys) -> Result<Draft, ModelError> {
    let mut draft = gated::read(
        keys,
        &Defaults { kv_heads: Some(32), positions: 32_768, ..Defaults::default() },
    )?;
    draft.plan.qkv_bias = true;
    window(keys, &mut draft.plan)?;
    Ok(draft)
}

/// Layers from `max_window_layers` on have a window, if `use_sliding_window`.
pub(super) fn window(keys: &Keys, plan: &mut Plan) -> Result<(), ModelError> {
    let used = keys.flag("use_sliding_window")?.unwrap_or(false);
    let window = if keys.has("sliding_window") { keys.size("sliding_window")? } else { Some(4096) };
    let from = keys.size("max_window_layers")?.unwrap_or(28);
    gated::window_by_layer(keys, plan, window.filter(|_| used), |layer| used && layer >= from)
}
