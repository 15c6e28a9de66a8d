use std::path::Path;

pub(crate) use bias_files::UNFINISHED;
use bias_files::{create_folder, folder_of, read_file};

use crate::StudyError;

/// The most bytes of a JSON file of a study, results and pieces alike.
pub(crate) const LARGEST: u64 = 1 << 30;

/// Reads a JSON file of a given format.
pub(crate) fn read<T: serde::de::DeserializeOwned>(
    path: &Path,
    format: &str,
    own: fn(&T) -> &str,
) -> Result<T, StudyError> {
    let failed = |source| StudyError::Read { path: path.into(), source };
    let bytes = read_file(path, LARGEST).map_err(failed)?;
    // Before the rest: a file of another version may lack what this one needs.
    let head: Head = serde_json::from_slice(&bytes).map_err(|e| failed(e.into()))?;
    let other = |found: &str| {
        let reason = format!("its format is `{found}`, this version reads `{format}`");
        failed(std::io::Error::new(std::io::ErrorKind::InvalidData, reason))
    };
    if head.format != format {
        return Err(other(&head.format));
    }
    let content: T = serde_json::from_slice(&bytes).map_err(|e| failed(e.into()))?;
    if own(&content) == format { Ok(content) } else { Err(other(own(&content))) }
}

/// The beginning of every file of a study, in any format.
#[derive(serde::Deserialize)]
pub(crate) struct Head {
    pub(crate) format: String,
}

/// Writes a file whole or not at all, and creates missing parent folders.
///
/// # Errors
/// [`StudyError::Write`].
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), StudyError> {
    let failed = |source| StudyError::Write { path: path.into(), source };
    let folder = folder_of(path);
    if !folder.is_dir() {
        create_folder(folder).map_err(failed)?;
    }
    bias_files::write_whole(path, bytes).map_err(failed)
}
