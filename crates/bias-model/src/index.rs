//! The names of weight files, and the index of shards.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use crate::error::ModelError;
use crate::json::read_json;

pub(crate) const SINGLE: &str = "model.safetensors";
pub(crate) const INDEX: &str = "model.safetensors.index.json";

/// The files that an index names. All must be safetensors in the folder of the index.
pub(crate) fn shards(index: &Path) -> Result<BTreeSet<String>, ModelError> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let Index { weight_map } = read_json(index)?;
    let inside = |(tensor, file): (String, String)| {
        if file.ends_with(".safetensors") && !file.contains(['/', '\\', ':']) {
            Ok(file)
        } else {
            Err(ModelError::EscapingShard { path: index.into(), tensor, file })
        }
    };
    weight_map.into_iter().map(inside).collect()
}
