//! OLMo 3 (OLMo Team 2025): OLMo 2's blocks, three layers with a window for each without one. Layers
//! with a window keep the unscaled rotary embedding where the others have a scaled one.

use super::keys::Keys;
use super::plan::Draft;
use super::rope_scaling::RopeDefaults;
use super::{gated, gemma3, olmo2};
use crate::error::ModelError;

const THETA: f64 = 500_000.0;

pub(super) fn read(keys: &Keys) -> Result<Draft, ModelError> {
    let mut draft = olmo2::base(keys, false)?;
    let global = gated::rope_defaults(keys, &draft.dims, draft.positions, THETA)?;
    if global.theta != THETA {
        let reason = "transformers 4 has it in all layers, transformers 5 only in those without a \
                      window; say it in `rope_parameters` for both kinds of layer";
        return Err(keys.unsupported("rope_theta", &global.theta.into(), reason));
    }
    let local = RopeDefaults { ..global.clone() };
    draft.plan.rotary = gemma3::by_kind(keys, "rope_theta", [&global, &local])?;
    let window = if keys.has("sliding_window") { keys.size("sliding_window")? } else { Some(4096) };
    gated::window_by_layer(keys, &mut draft.plan, window, |layer| (layer + 1) % 4 != 0)?;
    Ok(draft)
}
