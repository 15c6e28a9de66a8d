//! GPT-2 (Radford et al. 2019): layer norms with biases, learned positions, an MLP without a gate,
//! matrices stored `[in, out]`, and q, k and v in one matrix.

use bias_types::{ModelDims, Projection};

use super::dims::check_dims;
use super::gated;
use super::keys::Keys;
use super::layout::{LLAMA, Layout};
use super::piece::StoredRows;
use super::plan::{Draft, LayerPlan, NormKind, Plan};
use crate::error::ModelError;

const LAYOUT: Layout = Layout {
    base: "transformer.",
    embedding: "wte",
    positions: Some("wpe"),
    blocks: "h",
    norm: "ln_f",
    attn_norm: Some("ln_1"),
    mlp_norm: Some("ln_2"),
    place,
    transposed: true,
    redundant: &[".attn.bias", ".attn.masked_bias"],
    ..LLAMA
};

fn place(projection: Projection, dims: &ModelDims) -> StoredRows {
    let d = dims.heads * dims.d_head;
    match projection {
        Projection::Q => StoredRows::slice("attn.c_attn", 3 * d, 0, d),
        Projection::K => StoredRows::slice("attn.c_attn", 3 * d, d, d),
        Projection::V => StoredRows::slice("attn.c_attn", 3 * d, 2 * d, d),
        Projection::O => StoredRows::own("attn.c_proj", dims.d_model),
        Projection::Gate | Projection::Up => StoredRows::own("mlp.c_fc", dims.d_mlp),
        Projection::Down => StoredRows::own("mlp.c_proj", dims.d_model),
    }
}

pub(super) fn read(keys: &Keys) -> Result<Draft, ModelError> {
    // transformers knows each size by the usual name as well.
    let size = |key: &str, other: &str| {
        keys.either(key, other)?.ok_or_else(|| keys.impossible(format!("`{key}` is missing")))
    };
    let d_model = size("n_embd", "hidden_size")?;
    let heads = size("n_head", "num_attention_heads")?;
    if heads == 0 || !d_model.is_multiple_of(heads) {
        return Err(
            keys.impossible(format!("{heads} heads cannot share {d_model} channels evenly"))
        );
    }
    let dims = ModelDims {
        layers: size("n_layer", "num_hidden_layers")?,
        d_model,
        heads,
        kv_heads: heads,
        d_head: d_model / heads,
        d_mlp: keys.size("n_inner")?.unwrap_or(d_model.saturating_mul(4)),
        gated: false,
        vocab: keys.required("vocab_size")?,
        experts: None,
    };
    let dims = check_dims(keys, dims)?;
    keys.only(
        "add_cross_attention",
        false.into(),
        "only decoders without an encoder are computed",
    )?;
    let scaled = keys.flag("scale_attn_weights")?.unwrap_or(true);
    let plan = Plan {
        norm: NormKind::Layer,
        eps: gated::eps(keys, "layer_norm_epsilon", 1e-5)?,
        activation: gated::activation(keys, "activation_function", "gelu_new")?,
        qkv_bias: true,
        o_bias: true,
        mlp_bias: true,
        query_scale: if scaled { (dims.d_head as f64).sqrt().recip() } else { 1.0 },
        scale_by_layer: keys.flag("scale_attn_by_inverse_layer_idx")?.unwrap_or(false),
        layers: vec![LayerPlan { rotary: None, window: 0 }; dims.layers],
        ..Plan::new(&LAYOUT, &dims)
    };
    let positions = keys.either("n_positions", "max_position_embeddings")?.unwrap_or(1024);
    let tied = keys.flag("tie_word_embeddings")?.unwrap_or(true);
    Ok(Draft { dims, positions, tied, plan })
}
