//! Ministral 3 (Mistral AI 2025): Mistral's blocks, whose queries grow with the logarithm of their
//! position.

use serde_json::json;

use super::gated::{self, Defaults, Sizes};
use super::keys::Keys;
use super::plan::{Draft, QueryGrowth};
use super::rope_scaling::Rope;
use crate::error::ModelError;

pub(super) fn read(keys: &Keys) -> Result<Draft, ModelError> {
    let defaults = Defaults {
        sizes: Some(Sizes { d_model: 4096, layers: 34, heads: 32, d_mlp: 14_336, vocab: 131_072 }),
        // `null` means `hidden_size / num_attention_heads`.
        d_head: (!keys.has("head_dim")).then_some(128),
        kv_heads: Some(8),
        positions: 262_144,
        eps: 1e-5,
        one_rotary: false,
        ..Defaults::default()
    };
    let mut draft = gated::read(keys, &defaults)?;
    let mut rope_defaults = gated::rope_defaults(keys, &draft.dims, draft.positions, 10_000.0)?;
    rope_defaults.more = &["llama_4_scaling_beta", "max_position_embeddings"];
    // As transformers: settings are taken whole from one place.
    let says = |key: &'static str| {
        let value = keys.value(key).filter(|v| v.as_object().is_none_or(|o| !o.is_empty()));
        value.map(|value| (key, value.clone()))
    };
    let (key, rope) =
        says("rope_scaling").or_else(|| says("rope_parameters")).unwrap_or_else(|| {
            let own = json!({
                "type": "yarn", "rope_theta": 1_000_000.0, "factor": 16.0,
                "original_max_position_embeddings": 16_384, "beta_fast": 32.0, "beta_slow": 1.0,
                "mscale_all_dim": 1.0, "mscale": 1.0, "llama_4_scaling_beta": 0.1
            });
            ("rope_parameters", own)
        });
    draft.plan.rotary = vec![Rope::read(keys, key, Some(&rope), &rope_defaults)?];
    let needed = |name: &str| {
        let value = rope.get(name).and_then(serde_json::Value::as_f64).filter(|v| v.is_finite());
        value.ok_or_else(|| {
            keys.impossible(format!("`{key}.{name}` must be a number: queries grow by it"))
        })
    };
    let beta = needed("llama_4_scaling_beta")?;
    // transformers writes the number of positions here if the scaling is one that needs it.
    let scaled = !matches!(draft.plan.rotary[0].scaling, super::rope_scaling::RopeScaling::Plain);
    let original = match rope.get("original_max_position_embeddings") {
        None if scaled => draft.positions as f64,
        _ => needed("original_max_position_embeddings")?,
    };
    if original < 1.0 {
        return Err(keys.impossible(format!(
            "`{key}.original_max_position_embeddings` is {original}, and must be at least 1"
        )));
    }
    draft.plan.query_growth = Some(QueryGrowth { beta, original: original as usize });
    gated::window_everywhere(&mut draft.plan, keys.size("sliding_window")?);
    Ok(draft)
}
