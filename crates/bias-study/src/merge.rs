use std::fs;
use std::path::{Path, PathBuf};

use crate::save::{UNFINISHED, write};
use crate::store::{MASKS, PIECES, PROMPTS, PROVENANCE};
use crate::{Provenance, StudyError};

/// Copies what folders hold of one study into another folder, where it may have been begun as well. Pieces of the same
/// name are the same, so nothing is lost and nothing is written twice.
///
/// # Errors
/// [`StudyError::OtherStudy`] when they are not of one study; files that cannot be read or written.
pub fn merge(folders: &[PathBuf], into: &Path) -> Result<(), StudyError> {
    let mut known = match into.join(PROVENANCE) {
        path if path.exists() => Some(Provenance::load(&path)?),
        _ => None,
    };
    for folder in folders {
        let own = Provenance::of(folder)?;
        known.get_or_insert_with(|| own.clone()).check(&own, folder)?;
    }
    for folder in folders {
        for part in [PIECES, MASKS] {
            let read = |source| StudyError::Read { path: folder.join(part), source };
            for entry in fs::read_dir(folder.join(part)).map_err(read)? {
                let entry = entry.map_err(read)?;
                let (from, to) = (entry.path(), into.join(part).join(entry.file_name()));
                if entry.file_name().to_string_lossy().starts_with(UNFINISHED) || to.exists() {
                    continue;
                }
                copy(&from, &to)?;
            }
        }
        for name in [PROMPTS, PROVENANCE] {
            if !into.join(name).exists() {
                copy(&folder.join(name), &into.join(name))?;
            }
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), StudyError> {
    let bytes = fs::read(from).map_err(|source| StudyError::Read { path: from.into(), source })?;
    write(to, &bytes)
}
