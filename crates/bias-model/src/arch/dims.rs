use bias_types::ModelDims;

use super::keys::Keys;
use crate::error::ModelError;

/// No published model has wider heads. Rotary tables grow with their square.
const MAX_HEAD: usize = 4096;
/// No published model has more blocks. The limit is low because plans are made before any weight is
/// read.
const MAX_LAYERS: usize = 4096;
const MAX_SIZE: usize = 1 << 31;

/// The sizes that a config states. Refused if no forward pass could run with them.
pub(crate) fn check_dims(keys: &Keys, dims: ModelDims) -> Result<ModelDims, ModelError> {
    if let Err(e) = dims.validate() {
        return Err(keys.impossible(e.to_string()));
    }
    if dims.d_head > MAX_HEAD {
        return Err(keys.impossible(format!("head_dim {} is beyond {MAX_HEAD}", dims.d_head)));
    }
    if dims.layers > MAX_LAYERS {
        return Err(keys.impossible(format!("{} layers are beyond {MAX_LAYERS}", dims.layers)));
    }
    // Sizes are checked against the weights' own before anything is allocated; this
    // only keeps their products within what the machine can count.
    if [dims.d_model, dims.heads, dims.d_mlp, dims.vocab].iter().any(|s| *s > MAX_SIZE)
        || dims.heads.saturating_mul(dims.d_head) > MAX_SIZE
    {
        return Err(keys.impossible(format!("a size is beyond {MAX_SIZE}: {dims:?}")));
    }
    Ok(dims)
}
