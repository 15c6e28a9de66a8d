use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bias_files::{create_folder, folder_of, open_file, sha256_of_file, write_with};

use super::folder::{MASKS, PIECES, PROMPTS, PROVENANCE, lock};
use super::provenance::Provenance;
use crate::StudyError;
use crate::save::UNFINISHED;

/// Copies the pieces of one study from several folders into another folder, in which it may also
/// have been begun. Pieces of the same name are equal, so nothing is lost and nothing is written
/// twice.
///
/// # Errors
/// [`StudyError::OtherStudy`] if they are not of one study, [`StudyError::Unlike`] if the same
/// piece has different content (other hardware rounds differently), [`StudyError::Busy`]; files
/// that cannot be read or written.
pub fn merge(folders: &[PathBuf], into: &Path) -> Result<(), StudyError> {
    if folders.is_empty() {
        return Ok(());
    }
    let path = into.join(PROVENANCE);
    let mut known = if exists(&path)? { Some(Provenance::load(&path)?) } else { None };
    for folder in folders {
        let own = Provenance::of(folder)?;
        own.check(known.get_or_insert_with(|| own.clone()), folder)?;
    }
    create_folder(into).map_err(|source| StudyError::Write { path: into.into(), source })?;
    let _lock = lock(into, false)?;
    for folder in folders {
        // Listed before masks are copied: a part that is still at work may add pieces that name
        // newer ones.
        let pieces = listed(&folder.join(PIECES))?;
        for (part, names) in [(MASKS, listed(&folder.join(MASKS))?), (PIECES, pieces)] {
            for name in names {
                copy(&folder.join(part).join(&name), &into.join(part).join(&name))?;
            }
        }
        // Of one study, as was checked: what the model or the prompts' file are called there may
        // differ.
        for name in [PROMPTS, PROVENANCE] {
            if !exists(&into.join(name))? {
                copy(&folder.join(name), &into.join(name))?;
            }
        }
    }
    Ok(())
}

/// Whether a file exists. One that cannot be accessed may exist, so that is an error.
fn exists(path: &Path) -> Result<bool, StudyError> {
    path.try_exists().map_err(|source| StudyError::Read { path: path.into(), source })
}

/// The finished files of a folder.
fn listed(folder: &Path) -> Result<Vec<OsString>, StudyError> {
    let failed = |source| StudyError::Read { path: folder.into(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if !name.to_string_lossy().starts_with(UNFINISHED) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Copies a file that does not exist yet. An existing one must be the same.
fn copy(from: &Path, to: &Path) -> Result<(), StudyError> {
    let read = |path: &Path, source| StudyError::Read { path: path.into(), source };
    if !exists(to)? {
        let mut own = open_file(from).map_err(|error| read(from, error))?;
        let written = create_folder(folder_of(to))
            .and_then(|()| write_with(to, |file| io::copy(&mut own, file).map(drop)));
        return written.map_err(|source| StudyError::Write { path: to.into(), source });
    }
    let hash = |path: &Path| sha256_of_file(path).map_err(|error| read(path, error));
    if hash(from)? == hash(to)? {
        Ok(())
    } else {
        Err(StudyError::Unlike { first: to.into(), second: from.into() })
    }
}
