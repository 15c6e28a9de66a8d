//! Gemma 3 (Gemma Team 2025): Gemma 2 without soft caps, with normed queries and keys, and with five
//! windowed layers for each global one. The two kinds of layer have different rotary embeddings.
//! The text model stands alone (`gemma3_text`) or in a multimodal folder (`gemma3`).

use super::gated::{Defaults, Sizes};
use super::keys::Keys;
use super::plan::{Draft, QkNorm};
use super::rope_scaling::{Rope, RopeDefaults};
use super::wrapper::Wrapper;
use super::{gated, gemma2};
use crate::error::ModelError;

/// The multimodal folder: a vision tower before the text model.
pub(super) const WRAPPER: Wrapper = Wrapper {
    model_type: "gemma3",
    text: &["gemma3_text"],
    keys: &[
        "boi_token_id",
        "boi_token_index",
        "eoi_token_id",
        "eoi_token_index",
        "image_token_id",
        "image_token_index",
        "mm_tokens_per_image",
        "vision_config",
    ],
};

pub(super) fn read(keys: &Keys) -> Result<Draft, ModelError> {
    let defaults = Defaults {
        sizes: Some(Sizes { d_model: 2304, layers: 26, heads: 8, d_mlp: 9216, vocab: 262_208 }),
        positions: 131_072,
        one_rotary: false,
        ..gemma2::defaults()
    };
    let mut draft = gemma2::base(keys, &defaults)?;
    draft.plan.qk_norm = Some(QkNorm::PerHead);
    // transformers reads this key for Gemma 3 and never applies it.
    keys.value("attn_logit_softcapping");
    draft.plan.logit_cap = gated::positive(keys, "final_logit_softcapping", None)?;

    let global = gated::rope_defaults(keys, &draft.dims, draft.positions, 1_000_000.0)?;
    let local_theta = gated::positive(keys, "rope_local_base_freq", Some(10_000.0))?;
    let local = RopeDefaults { theta: local_theta.unwrap_or(10_000.0), ..global.clone() };
    draft.plan.rotary = by_kind(keys, "rope_local_base_freq", [&global, &local])?;
    let window = if keys.has("sliding_window") { keys.size("sliding_window")? } else { Some(4096) };
    let pattern = gated::pattern(keys, "sliding_window_pattern", 6)?;
    gated::window_by_layer(keys, &mut draft.plan, window, |layer| (layer + 1) % pattern != 0)?;
    Ok(draft)
}

/// The rotary embeddings of layers without a window and of those with one, which have settings
/// apart.
pub(super) fn by_kind(
    keys: &Keys,
    local_key: &str,
    [global, local]: [&RopeDefaults; 2],
) -> Result<Vec<Rope>, ModelError> {
    let both = keys.value("rope_parameters");
    let of = |kind: &str| both.and_then(|b| b.get(kind));
    Ok(match (of("full_attention"), of("sliding_attention")) {
        (None, None) => {
            // transformers passes over settings that are not by kind of layer.
            if let Some(flat) = both.filter(|b| b.as_object().is_none_or(|o| !o.is_empty())) {
                let reason =
                    "this architecture needs them for full_attention and sliding_attention apart";
                return Err(keys.unsupported("rope_parameters", flat, reason));
            }
            vec![gated::rotary(keys, global)?, Rope::read(keys, local_key, None, local)?]
        }
        (full, sliding) => vec![
            Rope::read(keys, "rope_parameters.full_attention", full, global)?,
            Rope::read(keys, "rope_parameters.sliding_attention", sliding, local)?,
        ],
    })
}
