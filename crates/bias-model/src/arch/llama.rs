//! Llama (Touvron et al. 2023): the plan that the other gated architectures vary.

use super::gated::{self, Defaults};
use super::keys::Keys;
use super::plan::Draft;
use crate::error::ModelError;

pub(super) fn read(keys: &Keys) -> Result<Draft, ModelError> {
    let mut draft = gated::read(keys, &Defaults::default())?;
    gated::attention_bias(keys, &mut draft.plan)?;
    draft.plan.mlp_bias = keys.flag("mlp_bias")?.unwrap_or(false);
    Ok(draft)
}
