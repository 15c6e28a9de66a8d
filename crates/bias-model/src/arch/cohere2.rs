//! Command R7B and A (Cohere 2024): attention and MLP in parallel after one layer norm without bias.
//! Only layers with a window rotate, pairs of neighbouring channels.

use super::gated::{self, Defaults};
use super::keys::Keys;
use super::layout::{LLAMA, Layout};
use super::plan::{Draft, NormKind};
use crate::error::ModelError;

const LAYOUT: Layout = Layout { mlp_norm: None, ..LLAMA };

/// What the published files say beside transformers' own keys, and what is computed.
const FIXED: &[(&str, &str)] = &[
    ("order_of_interleaved_layers", "local_attn_first"),
    ("position_embedding_type", "rope_gptj"),
];

pub(super) fn read(keys: &Keys) -> Result<Draft, ModelError> {
    let defaults = Defaults {
        layout: &LAYOUT,
        positions: 8192,
        eps_key: "layer_norm_eps",
        eps: 1e-5,
        tied: true,
        ..Defaults::default()
    };
    let mut draft = gated::read(keys, &defaults)?;
    let plan = &mut draft.plan;
    plan.norm = NormKind::LayerNoBias;
    (plan.parallel, plan.shared_norm) = (true, true);
    plan.rotary.iter_mut().for_each(|rope| rope.interleaved = true);
    gated::attention_bias(keys, plan)?;
    plan.logit_scale = gated::factor(keys, "logit_scale", 0.0625)?;
    let window = if keys.has("sliding_window") { keys.size("sliding_window")? } else { Some(4096) };
    let pattern = gated::pattern(keys, "sliding_window_pattern", 4)?;
    gated::rotary_in_windows(keys, plan, window, |layer| (layer + 1) % pattern != 0)?;

    for (key, value) in FIXED {
        keys.only(key, (*value).into(), "transformers computes one setting alone")?;
    }
    for key in ["use_embedding_sharing", "use_gated_activation", "use_parallel_block"] {
        keys.only(key, true.into(), "transformers computes one setting alone")?;
    }
    // Another name of the pattern, which nothing reads.
    keys.value("layer_switch");
    if keys.number("rotary_pct")?.is_some_and(|share| share != 1.0) {
        let value = keys.value("rotary_pct").cloned().unwrap_or_default();
        return Err(keys.unsupported("rotary_pct", &value, "transformers rotates whole heads"));
    }
    Ok(draft)
}
