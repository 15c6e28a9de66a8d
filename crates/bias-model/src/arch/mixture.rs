//! What mixtures of experts have in common.

use bias_types::model::Experts;

use super::dims::check_dims;
use super::keys::Keys;
use super::plan::{Draft, Routing};
use crate::error::ModelError;

/// No published model has more experts in all its blocks. The limit is low because the tensors of
/// each are looked up before any weight is read.
const MOST: usize = 1 << 16;

/// Divides the MLP of a draft among experts, whose width stands under `width`, and one of `shared`
/// channels that every token reaches, if that is not 0.
pub(super) fn divide(
    keys: &Keys,
    mut draft: Draft,
    width: &str,
    shared: usize,
) -> Result<Draft, ModelError> {
    // transformers reads both names.
    let name = if keys.has("num_experts") { "num_experts" } else { "num_local_experts" };
    let count = keys.either("num_experts", "num_local_experts")?;
    let count = count.ok_or_else(|| keys.impossible(format!("`{name}` is missing")))?;
    if count == 0 || count.saturating_mul(draft.dims.layers) > MOST {
        let layers = draft.dims.layers;
        return Err(keys.impossible(format!("`{name}` is {count}, for each of {layers} layers")));
    }
    let per_token = keys.required("num_experts_per_tok")?;
    if per_token == 0 || per_token > count {
        return Err(keys.impossible(format!(
            "`num_experts_per_tok` is {per_token}, and there are {count} experts"
        )));
    }
    let d_expert = keys.required(width)?;
    let experts = Experts { count, d_expert, per_token, shared };
    let Some(d_mlp) = experts.width().filter(|_| d_expert > 0) else {
        return Err(keys.impossible(format!("`{width}` is {d_expert}, for each expert")));
    };
    draft.dims.d_mlp = d_mlp;
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
