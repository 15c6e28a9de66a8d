//! OPT (Zhang et al. 2022): GPT-3's blocks, layer norms with biases, learned positions whose first
//! two rows nothing uses, an MLP with ReLU and without a gate.

use bias_types::{ModelDims, Projection};

use super::dims::check_dims;
use super::gated;
use super::keys::Keys;
use super::layout::{LLAMA, Layout, separate};
use super::piece::StoredRows;
use super::plan::{Draft, LayerPlan, NormKind, Plan};
use crate::error::ModelError;

const LAYOUT: Layout = Layout {
    base: "model.decoder.",
    other_bases: &["decoder."],
    positions: Some("embed_positions"),
    norm: "final_layer_norm",
    attn_norm: Some("self_attn_layer_norm"),
    mlp_norm: Some("final_layer_norm"),
    place,
    ..LLAMA
};

/// Of `torch.nn.LayerNorm`; no key sets it.
const EPS: f64 = 1e-5;

fn place(projection: Projection, dims: &ModelDims) -> StoredRows {
    match projection {
        Projection::O => StoredRows::own("self_attn.out_proj", dims.d_model),
        Projection::Gate | Projection::Up => StoredRows::own("fc1", dims.d_mlp),
        Projection::Down => StoredRows::own("fc2", dims.d_model),
        _ => separate(projection, dims),
    }
}

pub(super) fn read(keys: &Keys) -> Result<Draft, ModelError> {
    let (d_model, heads) = (keys.required("hidden_size")?, keys.required("num_attention_heads")?);
    if heads == 0 || !d_model.is_multiple_of(heads) {
        let reason = format!("{heads} heads cannot share hidden_size {d_model} evenly");
        return Err(keys.impossible(reason));
    }
    let dims = ModelDims {
        layers: keys.required("num_hidden_layers")?,
        d_model,
        heads,
        kv_heads: heads,
        d_head: d_model / heads,
        d_mlp: keys.required("ffn_dim")?,
        gated: false,
        vocab: keys.required("vocab_size")?,
        experts: None,
    };
    let dims = check_dims(keys, dims)?;
    if let Some(width) = keys.size("word_embed_proj_dim")?.filter(|width| *width != d_model) {
        let reason = format!("embeddings as wide as `hidden_size`, {d_model}, are computed");
        return Err(keys.unsupported("word_embed_proj_dim", &width.into(), &reason));
    }
    let before = "norms before attention and MLP, and one after the last layer, are computed";
    keys.only("do_layer_norm_before", true.into(), before)?;
    keys.only("_remove_final_layer_norm", false.into(), before)?;
    keys.only("layer_norm_elementwise_affine", true.into(), "norms with a gain are computed")?;
    let bias = keys.flag("enable_bias")?.unwrap_or(true);
    let plan = Plan {
        norm: NormKind::Layer,
        eps: EPS,
        activation: gated::activation(keys, "activation_function", "relu")?,
        qkv_bias: bias,
        o_bias: bias,
        mlp_bias: bias,
        position_offset: 2,
        layers: vec![LayerPlan { rotary: None, window: 0 }; dims.layers],
        ..Plan::new(&LAYOUT, &dims)
    };
    let positions = keys.size("max_position_embeddings")?.unwrap_or(2048);
    let tied = keys.flag("tie_word_embeddings")?.unwrap_or(true);
    Ok(Draft { dims, positions, tied, plan })
}
