//! Gemma 3 text models (Gemma Team 2025): Gemma 2 without soft caps, with normed queries and keys,
//! and with five windowed layers for each global one. The two kinds of layer have different rotary
//! embeddings.

use super::keys::Keys;
use super::plan::{Draft, QkNorm};
use super::rope_scaling::{Rope, RopeDefaults};
use super::{gated, gemma2};
use crate::error::ModelError;

pub(super) fn read(keys: &Keys) -> Result<Draft, ModelError> {
    let mut draft = gemma2::base(keys, 131_072, false)?;
    draft.plan.qk_norm = Some(QkNorm::PerHead);
    // transformers reads this key for Gemma 3 and never applies it.
    keys.value("attn_logit_softcapping");
    draft.plan.logit_cap = gated::positive(keys, "final_logit_softcapping", None)?;

    let mut global = gated::rope_defaults(keys, &draft.dims, draft.positions)?;
    if !keys.has("rope_theta") {
        global.theta = 1_000_000.0;
    }
    let local_theta = gated::positive(keys, "rope_local_base_freq", Some(10_000.0))?;
    let local = RopeDefaults { theta: local_theta.unwrap_or(10_000.0), ..global.clone() };
    let both = keys.value("rope_parameters");
    let of = |kind: &str| both.and_then(|b| b.get(kind));
    draft.plan.rotary = match (of("full_attention"), of("sliding_attention")) {
        (None, None) => {
            // transformers passes over settings that are not by kind of layer.
            if let Some(flat) = both.filter(|b| b.as_object().is_none_or(|o| !o.is_empty())) {
                let reason = "Gemma 3 needs them for full_attention and sliding_attention apart";
                return Err(keys.unsupported("rope_parameters", flat, reason));
            }
            vec![
                gated::rotary(keys, &global)?,
                Rope::read(keys, "rope_local_base_freq", None, &local)?,
            ]
        }
        (full, sliding) => vec![
            Rope::read(keys, "rope_parameters.full_attention", full, &global)?,
            Rope::read(keys, "rope_parameters.sliding_attention", sliding, &local)?,
        ],
    };
    let window = if keys.has("sliding_window") { keys.size("sliding_window")? } else { Some(4096) };
    let pattern = keys.size("sliding_window_pattern")?.unwrap_or(6);
    if pattern == 0 {
        return Err(keys.impossible("sliding_window_pattern is 0, and must be at least 1".into()));
    }
    gated::window_by_layer(keys, &mut draft.plan, window, |layer| (layer + 1) % pattern != 0)?;
    Ok(draft)
}
