use std::path::Path;

use bias_ask::Sampling;
use serde::Deserialize;

use super::config::TokenIds;
use crate::error::ModelError;
use crate::json::read_json;
use crate::on_disk;

/// `generation_config.json`: the author's recommended sampling and the tokens that end an answer.
#[derive(Debug, Default, Deserialize)]
struct Wire {
    temperature: Option<f64>,
    top_k: Option<usize>,
    top_p: Option<f64>,
    #[serde(default)]
    eos_token_id: TokenIds,
}

/// Reads sampling and end tokens from a folder's `generation_config.json`, if it has one. A GGUF
/// file does not record its author's sampling.
pub(crate) fn generation(folder: &Path) -> Result<(Sampling, Vec<u32>), ModelError> {
    let path = folder.join("generation_config.json");
    let wire: Wire = if on_disk::exists(&path)? { read_json(&path)? } else { Wire::default() };
    let sampling = Sampling::default()
        .with_temperature(wire.temperature.unwrap_or(1.0))?
        .with_top_k(wire.top_k.filter(|k| *k > 0))
        .with_top_p(wire.top_p.unwrap_or(1.0))?;
    Ok((sampling, wire.eos_token_id.into_vec()))
}
