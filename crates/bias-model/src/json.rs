use std::path::Path;

use bias_files::read_file;
use serde::de::DeserializeOwned;

use crate::error::ModelError;
use crate::stand_in;

/// The most bytes of a JSON file of a model folder. The index of a mixture of experts with 150,000
/// tensors has 16 MiB.
const MOST: u64 = 128 << 20;

/// Reads and parses a JSON file.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, ModelError> {
    let bytes =
        read_file(path, MOST).map_err(|source| ModelError::Read { path: path.into(), source })?;
    serde_json::from_slice(&bytes).or_else(|source| {
        stand_in::refuse(path, &bytes)?;
        Err(ModelError::Json { path: path.into(), source: source.into() })
    })
}
