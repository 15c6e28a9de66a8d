//! EXAONE 4 (LG AI Research 2025): OLMo 2's norms after attention and MLP, an RMS norm on each head's
//! queries and keys. Where some layers have a window, only those rotate.

use super::gated::{self, Defaults};
use super::keys::Keys;
use super::olmo2;
use super::plan::{Draft, QkNorm};
use crate::error::ModelError;

pub(super) fn read(keys: &Keys) -> Result<Draft, ModelError> {
    let defaults =
        Defaults { layout: &olmo2::LAYOUT, kv_heads: Some(32), eps: 1e-5, ..Defaults::default() };
    let mut draft = gated::read(keys, &defaults)?;
    let plan = &mut draft.plan;
    plan.qk_norm = Some(QkNorm::PerHead);
    let window = if keys.has("sliding_window") { keys.size("sliding_window")? } else { Some(4096) };
    // Beside `layer_types`, as in the published files, it may be a text, which nothing reads.
    let unread = window.is_none() || keys.value("layer_types").is_some();
    let pattern = if unread {
        keys.value("sliding_window_pattern");
        1
    } else {
        gated::pattern(keys, "sliding_window_pattern", 4)?
    };
    let slides = |layer: usize| !(layer + 1).is_multiple_of(pattern);
    if window.is_some() {
        gated::rotary_in_windows(keys, plan, window, slides)?;
    } else {
        gated::window_by_layer(keys, plan, None, slides)?;
        if plan.layers.iter().any(|layer| layer.window == 1) {
            return Err(gated::no_window(keys));
        }
    }
    Ok(draft)
}
