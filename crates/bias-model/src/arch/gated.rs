//! The common parts of the architectures that descend from Llama.

use bias_types::ModelDims;
use serde_json::Value;

use super::activation::Activation;
use super::dims::check_dims;
use super::keys::Keys;
use super::layout::{LLAMA, Layout};
use super::plan::{Draft, LayerPlan, Plan};
use super::rope_scaling::{Rope, RopeDefaults};
use crate::error::ModelError;

/// The sizes of the smallest published model, which transformers takes for those that a nested
/// config leaves out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub d_model: usize,
    pub layers: usize,
    pub heads: usize,
    pub d_mlp: usize,
    pub vocab: usize,
}

/// The defaults of keys that a config leaves out, where architectures differ.
pub(super) struct Defaults {
    pub layout: &'static Layout,
    /// Needed only where the config may be nested in another one.
    pub sizes: Option<Sizes>,
    /// `None`: `hidden_size / num_attention_heads`
    pub d_head: Option<usize>,
    /// `None`, as for `null`: as many as heads.
    pub kv_heads: Option<usize>,
    pub positions: usize,
    /// The key of the norms' epsilon, and its default.
    pub eps_key: &'static str,
    pub eps: f64,
    pub activation: &'static str,
    pub gated: bool,
    pub tied: bool,
    /// The base of the rotary embedding.
    pub theta: f64,
    /// Whether all layers use the same rotary embedding, set by `rope_parameters` or
    /// `rope_scaling`.
    pub one_rotary: bool,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            layout: &LLAMA,
            sizes: None,
            d_head: None,
            kv_heads: None,
            positions: 2048,
            eps_key: "rms_norm_eps",
            eps: 1e-6,
            activation: "silu",
            gated: true,
            tied: false,
            theta: 10_000.0,
            one_rotary: true,
        }
    }
}

/// RMS norms, rotary embeddings, grouped-query attention, gated MLP; no biases.
pub(super) fn read(keys: &Keys, defaults: &Defaults) -> Result<Draft, ModelError> {
    let size = |key: &str, default: fn(&Sizes) -> usize| match &defaults.sizes {
        Some(sizes) if keys.is_nested() => Ok(keys.size(key)?.unwrap_or(default(sizes))),
        _ => keys.required(key),
    };
    let d_model = size("hidden_size", |s| s.d_model)?;
    let heads = size("num_attention_heads", |s| s.heads)?;
    let Some(even) = d_model.checked_div(heads) else {
        return Err(keys.impossible("num_attention_heads is 0".into()));
    };
    let dims = ModelDims {
        layers: size("num_hidden_layers", |s| s.layers)?,
        d_model,
        heads,
        kv_heads: if keys.has("num_key_value_heads") {
            keys.size("num_key_value_heads")?.unwrap_or(heads)
        } else {
            defaults.kv_heads.unwrap_or(heads)
        },
        d_head: keys.size("head_dim")?.or(defaults.d_head).unwrap_or(even),
        d_mlp: size("intermediate_size", |s| s.d_mlp)?,
        gated: defaults.gated,
        vocab: size("vocab_size", |s| s.vocab)?,
        experts: None,
    };
    let dims = check_dims(keys, dims)?;
    let positions = keys.size("max_position_embeddings")?.unwrap_or(defaults.positions);
    let rotary = if defaults.one_rotary {
        vec![rotary(keys, &rope_defaults(keys, &dims, positions, defaults.theta)?)?]
    } else {
        Vec::new()
    };
    let plan = Plan {
        eps: eps(keys, defaults.eps_key, defaults.eps)?,
        activation: activation(keys, "hidden_act", defaults.activation)?,
        rotary,
        ..Plan::new(defaults.layout, &dims)
    };
    let tied = keys.flag("tie_word_embeddings")?.unwrap_or(defaults.tied);
    Ok(Draft { dims, positions, tied, plan })
}

/// The settings outside the rotary ones that a rotary embedding needs.
pub(super) fn rope_defaults(
    keys: &Keys,
    dims: &ModelDims,
    positions: usize,
    theta: f64,
) -> Result<RopeDefaults, ModelError> {
    Ok(RopeDefaults {
        theta: keys.number("rope_theta")?.unwrap_or(theta),
        d_head: dims.d_head,
        partial: keys.number("partial_rotary_factor")?.unwrap_or(1.0),
        may_be_partial: false,
        positions,
        original: keys.size("original_max_position_embeddings")?,
        more: &[],
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
        let reason = "computed are silu, gelu, gelu_new, gelu_pytorch_tanh, relu and relu2";
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

/// A factor: any finite number. 1 is left out.
pub(super) fn factor(keys: &Keys, key: &str, default: f64) -> Result<Option<f64>, ModelError> {
    let value = keys.number(key)?.unwrap_or(default);
    if !value.is_finite() {
        return Err(keys.impossible(format!("{key} {value} is not a finite number")));
    }
    Ok((value != 1.0).then_some(value))
}

/// Biases of attention, of q, k, v and o alike: `attention_bias`.
pub(super) fn attention_bias(keys: &Keys, plan: &mut Plan) -> Result<(), ModelError> {
    plan.attention_bias(keys.flag("attention_bias")?.unwrap_or(false));
    Ok(())
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
    let slides = by_kind(keys, plan.layers.len(), slides)?;
    plan.windows = vec![None, window.filter(|w| *w > 0)];
    let last = plan.rotary.len() - 1;
    for (layer, slides) in plan.layers.iter_mut().zip(slides) {
        *layer = if slides {
            LayerPlan { rotary: Some(last), window: 1 }
        } else {
            LayerPlan { rotary: Some(0), window: 0 }
        };
    }
    Ok(())
}

/// The same for architectures that rotate queries and keys only in the layers with a window.
///
/// # Errors
/// A layer with a window, but no width for it.
pub(super) fn rotary_in_windows(
    keys: &Keys,
    plan: &mut Plan,
    window: Option<usize>,
    slides: impl Fn(usize) -> bool,
) -> Result<(), ModelError> {
    window_by_layer(keys, plan, window, slides)?;
    if plan.windows[1].is_none() && plan.layers.iter().any(|layer| layer.window == 1) {
        return Err(no_window(keys));
    }
    for layer in plan.layers.iter_mut().filter(|layer| layer.window == 0) {
        layer.rotary = None;
    }
    Ok(())
}

/// The error for layers with a window of no width.
pub(super) fn no_window(keys: &Keys) -> ModelError {
    let needed = "it must be at least 1: some layers are `sliding_attention`";
    let value = keys.value("sliding_window").cloned().unwrap_or_default();
    keys.unsupported("sliding_window", &value, needed)
}

/// Whether each layer has a window: what `layer_types` says, or else `slides`.
fn by_kind(
    keys: &Keys,
    layers: usize,
    slides: impl Fn(usize) -> bool,
) -> Result<Vec<bool>, ModelError> {
    let Some(value) = keys.value("layer_types") else {
        return Ok((0..layers).map(slides).collect());
    };
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
    Ok(known)
}

/// `sliding_window_pattern`: each layer of this number, and of its multiples, has no window.
pub(super) fn pattern(keys: &Keys, key: &str, default: usize) -> Result<usize, ModelError> {
    let pattern = keys.size(key)?.unwrap_or(default);
    if pattern == 0 {
        return Err(keys.impossible(format!("{key} is 0, and must be at least 1")));
    }
    Ok(pattern)
}
