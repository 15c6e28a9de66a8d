//! Mistral (Jiang et al. 2023): Llama's blocks. Each token attends to the last `sliding_window`
//! tokens.

use super::gated::{self, Defaults, Sizes};
use super::keys::Keys;
use super::plan::Draft;
use crate::error::ModelError;

pub(super) fn read(keys: &Keys) -> Result<Draft, ModelError> {
    let defaults = Defaults {
        sizes: Some(Sizes { d_model: 4096, layers: 32, heads: 32, d_mlp: 14_336, vocab: 32_000 }),
        kv_heads: Some(8),
        positions: 131_072,
        ..Defaults::default()
    };
    let mut draft = gated::read(keys, &defaults)?;
    // `null` switches the window off; a config without the key has Mistral 7B's own.
    let window = if keys.has("sliding_window") { keys.size("sliding_window")? } else { Some(4096) };
    gated::window_everywhere(&mut draft.plan, window);
    Ok(draft)
}
