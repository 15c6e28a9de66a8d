//! Arcee's AFM (Arcee AI 2025): Llama's blocks with an MLP without a gate, whose activation is the
//! square of ReLU.

use super::gated::{self, Defaults};
use super::keys::Keys;
use super::plan::Draft;
use crate::error::ModelError;

pub(super) fn read(keys: &Keys) -> Result<Draft, ModelError> {
    let defaults = Defaults {
        positions: 4096,
        eps: 1e-5,
        activation: "relu2",
        gated: false,
        ..Defaults::default()
    };
    let mut draft = gated::read(keys, &defaults)?;
    gated::attention_bias(keys, &mut draft.plan)?;
    draft.plan.mlp_bias = keys.flag("mlp_bias")?.unwrap_or(false);
    Ok(draft)
}
