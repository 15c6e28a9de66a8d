//! What mixtures of experts have in common.

use bias_types::model::Experts;

use super::dims::check_dims;
use super::keys::Keys;
use super::plan::{Draft, Routing};
use crate::error::ModelError;

/// No published model has more experts in all its blocks. The limit is low because the tensors of
/// each are looked up before any weight is read.
const MOST: usize = 1 << 16;

/// Divides the MLP of a draft among experts of `d_expert` channels, and one of `shared` channels
/// that every token reaches, if that is not 0.
pub(super) fn divide(
    keys: &Keys,
    mut draft: Draft,
    d_expert: usize,
    shared: usize,
) -> Result<Draft, ModelError> {
    let missing = |key: &str| keys.impossible(format!("`{key}` is missing"));
    // transformers reads both names.
    let count = keys.either("num_experts", "num_local_experts")?;
    let experts = Experts {
        count: count.ok_or_else(|| missing("num_experts"))?,
        d_expert,
        per_token: keys.required("num_experts_per_tok")?,
        shared,
    };
    let width = experts.width().ok_or_else(|| {
        keys.impossible(format!("{} experts of {d_expert} channels", experts.count))
    })?;
    if experts.count.saturating_mul(draft.dims.layers) > MOST {
        return Err(keys.impossible(format!(
            "{} layers of {} experts are more than any model has",
            draft.dims.layers, experts.count
        )));
    }
    draft.dims.d_mlp = width;
    draft.dims.experts = Some(experts);
    draft.dims = check_dims(keys, draft.dims)?;
    Ok(draft)
}

/// `norm_topk_prob`: whether the weights of the chosen experts add up to 1.
pub(super) fn normed(keys: &Keys) -> Result<Routing, ModelError> {
    let normed = keys.flag("norm_topk_prob")?.unwrap_or(false);
    Ok(if normed { Routing::Chosen } else { Routing::All })
}

/// Refuses layers without experts among those with experts.
pub(super) fn everywhere(keys: &Keys) -> Result<(), ModelError> {
    let reason = "every layer must be a mixture of experts";
    keys.only("decoder_sparse_step", 1.into(), reason)?;
    match keys.value("mlp_only_layers") {
        Some(value) if value.as_array().is_none_or(|layers| !layers.is_empty()) => {
            Err(keys.unsupported("mlp_only_layers", value, reason))
        }
        _ => Ok(()),
    }
}
