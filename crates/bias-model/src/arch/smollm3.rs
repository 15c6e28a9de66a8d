//! SmolLM3 (Hugging Face 2025): Llama's blocks, every fourth of which does not rotate queries and
//! keys.

use super::gated::{self, Defaults};
use super::keys::Keys;
use super::plan::Draft;
use crate::error::ModelError;

pub(super) fn read(keys: &Keys) -> Result<Draft, ModelError> {
    let defaults = Defaults {
        kv_heads: Some(4),
        positions: 32_768,
        theta: 2_000_000.0,
        tied: true,
        ..Defaults::default()
    };
    let mut draft = gated::read(keys, &defaults)?;
    let plan = &mut draft.plan;
    gated::attention_bias(keys, plan)?;
    plan.mlp_bias = keys.flag("mlp_bias")?.unwrap_or(false);
    let rotated = rotated(keys, plan.layers.len())?;
    let used = keys.flag("use_sliding_window")?.unwrap_or(false);
    let window = keys.size("sliding_window")?.filter(|window| *window > 0);
    // Files of the published model have it; nothing reads it.
    keys.value("max_window_layers");
    gated::window_by_layer(keys, plan, window, |layer| {
        used && window.is_some() && !rotated[layer]
    })?;
    if window.is_none() && plan.layers.iter().any(|layer| layer.window == 1) {
        return Err(gated::no_window(keys));
    }
    for (layer, rotated) in plan.layers.iter_mut().zip(rotated) {
        layer.rotary = rotated.then_some(0);
    }
    Ok(draft)
}

/// Which layers rotate: a 1 for each that does in `no_rope_layers`, or all but every fourth.
fn rotated(keys: &Keys, layers: usize) -> Result<Vec<bool>, ModelError> {
    let every = gated::pattern(keys, "no_rope_layer_interval", 4)?;
    let Some(value) = keys.value("no_rope_layers") else {
        return Ok((1..=layers).map(|number| number % every != 0).collect());
    };
    let flags: Option<Vec<bool>> = value.as_array().and_then(|list| {
        list.iter().map(|own| own.as_u64().filter(|own| *own < 2).map(|own| own == 1)).collect()
    });
    // transformers passes over what is beyond the last layer.
    match flags {
        Some(flags) if flags.len() >= layers => Ok(flags),
        _ => {
            let reason =
                format!("it must say 1 (rotated) or 0 (not rotated) for each of {layers} layers");
            Err(keys.unsupported("no_rope_layers", value, &reason))
        }
    }
}
