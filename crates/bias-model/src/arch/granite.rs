//! Granite 3 (IBM 2024): Llama's blocks with four multipliers, on embeddings, attention scores, what
//! a block adds to the residual stream, and logits.

use super::gated::{self, Defaults};
use super::keys::Keys;
use super::plan::Draft;
use crate::error::ModelError;

pub(super) fn read(keys: &Keys) -> Result<Draft, ModelError> {
    let mut draft = gated::read(keys, &Defaults::default())?;
    let plan = &mut draft.plan;
    gated::attention_bias(keys, plan)?;
    plan.mlp_bias = keys.flag("mlp_bias")?.unwrap_or(false);
    plan.embedding_scale = gated::factor(keys, "embedding_multiplier", 1.0)?;
    plan.residual_scale = gated::factor(keys, "residual_multiplier", 1.0)?;
    // Instead of `1 / sqrt(head_dim)`.
    plan.query_scale = gated::factor(keys, "attention_multiplier", 1.0)?.unwrap_or(1.0);
    if let Some(divisor) = gated::factor(keys, "logits_scaling", 1.0)? {
        if divisor == 0.0 {
            return Err(keys.impossible("logits_scaling is 0, and logits are divided by it".into()));
        }
        plan.logit_scale = Some(divisor.recip());
    }
    Ok(draft)
}
