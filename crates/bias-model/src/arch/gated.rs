//! The common parts of the architectures that descend from Llama.

use bias_types::ModelDims;
use serde_json::Value;

use super::activation::Activation;
use super::dims::check_dims;
use super::keys::Keys;
use super::layout::{LLAMA, Layout};
use super::plan::{Draft, LayerPlan, NormKind, Plan};
use super::rope_scaling::{Rope, RopeDefaults};
use crate::error::ModelError;

/// The defaults of keys that a config leaves out, where architectures differ.
pub(super) struct Defaults {
    pub layout: &'static Layout,
    /// `None`: `hidden_size / num_attention_heads`
    pub d_head: Option<usize>,
    /// `None`, as for `null`: as many as heads.
    pub kv_heads: Option<usize>,
    pub positions: usize,
    pub eps: f64,
    pub tied: bool,
    /// Whether all layers use the same rotary embedding, set by `rope_parameters` or
    /// `rope_scaling`.
    pub one_rotary: bool,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            layout: &LLAMA,
            d_head: None,
            kv_heads: None,
            positions: 2048,
            eps: 1e-6,
            tied: false,
            one_rotary: true,
        }
    }
}

/// RMS norms, rotary embeddings, grouped-query attention, gated MLP; no biases.
pub(super) fn read(keys: &Keys, defaults: &Defaults) -> Result<Draft, ModelError> {
    let (d_model, heads) = (keys.required("hidden_size")?, keys.required("num_attention_heads")?);
    let Some(even) = d_model.checked_div(heads) else {
        return Err(keys.impossible("num_attention_heads is 0".into()));
    };
    let dims = ModelDims {
        layers: keys.required("num_hidden_layers")?,
        d_model,
        heads,
        kv_heads: if keys.has("num_key_value_heads") {
            keys.size("num_key_value_heads")?.unwrap_or(heads)
        } else {
            defaults.kv_heads.unwrap_or(heads)
        },
        d_head: keys.size("head_dim")?.or(defaults.d_head).unwrap_or(even),
        d_mlp: keys.required("intermediate_size")?,
        gated: true,
        vocab: keys.required("vocab_size")?,
    };
    let dims = check_dims(keys, dims)?;
    let positions = keys.size("max_position_embeddings")?.unwrap_or(defaults.positions);
    let plan = Plan {
        layout: defaults.layout,
        norm: NormKind::Rms,
        eps: eps(keys, "rms_norm_eps", defaults.eps)?,
        activation: activation(keys, "hidden_act", "silu")?,
        qk_norm: None,
        qkv_bias: false,
        o_bias: false,
        mlp_bias: false,
        parallel: false,
        embedding_scale: None,
        query_scale: (dims.d_head as f64).sqrt().recip(),
        scale_by_layer: false,
        score_cap: None,
        logit_cap: None,
        rotary: if defaults.one_rotary {
            vec![rotary(keys, &rope_defaults(keys, &dims, positions)?)?]
        } else {
            Vec::new()
        },
        windows: vec![None],
        layers: vec![LayerPlan { rotary: 0, window: 0 }; dims.layers],
    };
    let tied = keys.flag("tie_word_embeddings")?.unwrap_or(defaults.tied);
    Ok(Draft { dims, positions, tied, plan })
}

/// The settings outside the rotary ones that a rotary embedding needs.
pub(super) fn rope_defaults(
    keys: &Keys,
    dims: &ModelDims,
    positions: usize,
) -> Result<RopeDefaults, ModelError> {
    Ok(RopeDefaults {
        theta: keys.number("rope_theta")?.unwrap_or(10_000.0),
        d_head: dims.d_head,
        partial: keys.number("partial_rotary_factor")?.unwrap_or(1.0),
        may_be_partial: false,
        positions,
        original: keys.size("original_max_position_embeddings")?,
    })
}

/// One rotary embedding for all layers: `rope_scaling`, or `rope_parameters` since transformers 5.
pub(super) fn rotary(keys: &Keys, rope_defaults: &RopeDefaults) -> Result<Rope, ModelError> {
    let newer = keys.value("rope_parameters");
    // An empty object says nothing, as in transformers.
    let says = |value: &&Value| value.as_object().is_none_or(|o| !o.is_empty());
    match keys.value("rope_scaling").filter(says) {
        Some(older) => Rope::read(keys, "rope_scaling", Some(older), rope_defaults),
        None => Rope::read(keys, "rope_parameters", newer, rope_defaults),
    }
}

pub(super) fn eps(keys: &Keys, key: &str, default: f64) -> Result<f64, ModelError> {
    let eps = keys.number(key)?.unwrap_or(default);
    if eps.is_finite() && eps >= 0.0 {
        return Ok(eps);
    }
    Err(keys.impossible(format!("{key} {eps} is not a number of at least 0")))
}

pub(super) fn activation(keys: &Keys, key: &str, default: &str) -> Result<Activation, ModelError> {
    let name = keys.text(key)?.unwrap_or(default);
    Activation::by_name(name).ok_or_else(|| {
        let reason = "computed are silu, gelu, gelu_new, gelu_pytorch_tanh and relu";
        keys.unsupported(key, &Value::from(name), reason)
    })
}

pub(super) fn positive(
    keys: &Keys,
    key: &str,
    default: Option<f64>,
) -> Result<Option<f64>, ModelError> {
    match keys.number(key)?.or(default) {
        Some(value) if !(value.is_finite() && value > 0.0) => {
            Err(keys.impossible(format!("{key} {value} is not a number above 0")))
        }
        value => Ok(value),
    }
}

/// One window for every layer; 0 or no value means none.
pub(super) fn window_everywhere(plan: &mut Plan, window: Option<usize>) {
    plan.windows = vec![window.filter(|w| *w > 0)];
}

/// A window for the layers that `layer_types` calls `sliding_attention`, or without `layer_types`
/// for those that `slides` selects. Layers with a window may have another rotary embedding.
pub(super) fn window_by_layer(
    keys: &Keys,
    plan: &mut Plan,
    window: Option<usize>,
    slides: impl Fn(usize) -> bool,
) -> Result<(), ModelError> {
    let layers = plan.layers.len();
    let slides: Vec<bool> = match keys.value("layer_types") {
        None => (0..layers).map(slides).collect(),
        Some(value) => {
            let kinds = value.as_array().map(Vec::as_slice).unwrap_or_default();
            let known = kinds.iter().filter_map(|kind| match kind.as_str() {
                Some("sliding_attention") => Some(true),
                Some("full_attention") => Some(false),
                _ => None,
            });
            let known: Vec<bool> = known.collect();
            if known.len() != layers || kinds.len() != layers {
                let reason = format!(
                    "it must say `full_attention` or `sliding_attention` for each of {layers} layers"
                );
                return Err(keys.unsupported("layer_types", value, &reason));
            }
            known
        }
    };
    plan.windows = vec![None, window.filter(|w| *w > 0)];
    let last = plan.rotary.len() - 1;
    for (layer, slides) in plan.layers.iter_mut().zip(slides) {
        *layer = if slides {
            LayerPlan { rotary: last, window: 1 }
        } else {
            LayerPlan { rotary: 0, window: 0 }
        };
    }
    Ok(())
}
