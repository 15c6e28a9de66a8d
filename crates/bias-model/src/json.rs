use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::ModelError;
use crate::stand_in;

/// Reads and parses a JSON file.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, ModelError> {
    let bytes =
        std::fs::read(path).map_err(|source| ModelError::Read { path: path.into(), source })?;
    serde_json::from_slice(&bytes).or_else(|source| {
        stand_in::refuse(path, &bytes)?;
        Err(ModelError::Json { path: path.into(), source: source.into() })
    })
}
