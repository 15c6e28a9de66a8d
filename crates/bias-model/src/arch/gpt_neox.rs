//! GPT-NeoX (Black et al. 2022) and Pythia: layer norms, attention and MLP in parallel on the same
//! residual stream, q, k and v interleaved head by head in one matrix. Only the first part of each
//! head is rotated.

use bias_types::{ModelDims, Projection};

use super::dims::check_dims;
use super::gated;
use super::keys::Keys;
use super::layout::{LLAMA, Layout};
use super::piece::StoredRows;
use super::plan::{Draft, NormKind, Plan};
use crate::error::ModelError;

const LAYOUT: Layout = Layout {
    base: "gpt_neox.",
    embedding: "embed_in",
    norm: "final_layer_norm",
    head: "embed_out",
    place,
    redundant: &[".attention.bias", ".attention.masked_bias", ".attention.rotary_emb.inv_freq"],
    ..LLAMA
};

/// `query_key_value` holds q, k and v of head 0, then of head 1, and so on.
fn place(projection: Projection, dims: &ModelDims) -> StoredRows {
    let d = dims.d_head;
    let qkv = |first| StoredRows {
        module: "attention.query_key_value",
        rows: 3 * dims.heads * d,
        first,
        run: d,
        stride: 3 * d,
    };
    match projection {
        Projection::Q => qkv(0),
        Projection::K => qkv(d),
        Projection::V => qkv(2 * d),
        Projection::O => StoredRows::own("attention.dense", dims.d_model),
        Projection::Gate | Projection::Up => StoredRows::own("mlp.dense_h_to_4h", dims.d_mlp),
        Projection::Down => StoredRows::own("mlp.dense_4h_to_h", dims.d_model),
    }
}

pub(super) fn read(keys: &Keys) -> Result<Draft, ModelError> {
    let (d_model, heads) = (keys.required("hidden_size")?, keys.required("num_attention_heads")?);
    if heads == 0 || !d_model.is_multiple_of(heads) {
        return Err(
            keys.impossible(format!("{heads} heads cannot share {d_model} channels evenly"))
        );
    }
    let dims = ModelDims {
        layers: keys.required("num_hidden_layers")?,
        d_model,
        heads,
        kv_heads: heads,
        d_head: d_model / heads,
        d_mlp: keys.required("intermediate_size")?,
        gated: false,
        vocab: keys.required("vocab_size")?,
        experts: None,
    };
    let dims = check_dims(keys, dims)?;
    let positions = keys.size("max_position_embeddings")?.unwrap_or(2048);
    let mut rope_defaults = gated::rope_defaults(keys, &dims, positions, 10_000.0)?;
    // Keys of its own; transformers does not read the usual ones beside them.
    rope_defaults.theta = keys.number("rotary_emb_base")?.unwrap_or(10_000.0);
    rope_defaults.partial = keys.number("rotary_pct")?.unwrap_or(0.25);
    rope_defaults.may_be_partial = true;
    for (key, own) in
        [("rope_theta", rope_defaults.theta), ("partial_rotary_factor", rope_defaults.partial)]
    {
        if let Some(value) = keys.number(key)?.filter(|value| *value != own) {
            let reason = "GPT-NeoX has rotary_emb_base and rotary_pct instead";
            return Err(keys.unsupported(key, &value.into(), reason));
        }
    }
    let bias = keys.flag("attention_bias")?.unwrap_or(true);
    let plan = Plan {
        norm: NormKind::Layer,
        eps: gated::eps(keys, "layer_norm_eps", 1e-5)?,
        activation: gated::activation(keys, "hidden_act", "gelu")?,
        qkv_bias: bias,
        o_bias: bias,
        mlp_bias: true,
        parallel: keys.flag("use_parallel_residual")?.unwrap_or(true),
        rotary: vec![gated::rotary(keys, &rope_defaults)?],
        ..Plan::new(&LAYOUT, &dims)
    };
    let tied = keys.flag("tie_word_embeddings")?.unwrap_or(false);
    Ok(Draft { dims, positions, tied, plan })
}
