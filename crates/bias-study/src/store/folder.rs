//! The parts of a study's folder, and who may write there.

use std::fs::{self, File};
use std::path::Path;

use bias_files::open_file_with;

use crate::StudyError;
use crate::save::UNFINISHED;

pub(crate) const PIECES: &str = "pieces";
pub(crate) const MASKS: &str = "masks";
/// The folder beside a study's page that its captions refer to.
pub const FIGURES: &str = "figures";
pub(crate) const PROVENANCE: &str = "provenance.json";
pub(crate) const PROMPTS: &str = "prompts.json";
const LOCK: &str = ".lock";

/// Locks a folder exclusively, or together with others that share it; `None` if the file system has
/// no locks.
pub(crate) fn lock(folder: &Path, shared: bool) -> Result<Option<File>, StudyError> {
    // For reading as well: locks on network file systems need that.
    let lock = open_file_with(
        &folder.join(LOCK),
        File::options().read(true).write(true).create(true).truncate(false),
    );
    let lock = lock.map_err(|source| StudyError::Write { path: folder.into(), source })?;
    let tried = if shared { lock.try_lock_shared() } else { lock.try_lock() };
    Ok(is_held(tried, folder)?.then_some(lock))
}

/// Whether a lock is held. It is not if the file system has none.
fn is_held(tried: Result<(), fs::TryLockError>, folder: &Path) -> Result<bool, StudyError> {
    match tried {
        Ok(()) => Ok(true),
        Err(fs::TryLockError::WouldBlock) => Err(StudyError::Busy { folder: folder.into() }),
        Err(fs::TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {
            Ok(false)
        }
        Err(fs::TryLockError::Error(source)) => {
            Err(StudyError::Write { path: folder.join(LOCK), source })
        }
    }
}

/// Deletes what a killed run left half-written in a folder, if there is that folder.
pub(super) fn clear(folder: &Path) -> std::io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::TryLockError;
    use std::io::ErrorKind;

    use super::*;

    #[test]
    fn a_lock_that_fails_is_no_missing_lock() {
        let held = |tried| is_held(tried, Path::new("study"));
        let failed = |kind: ErrorKind| held(Err(TryLockError::Error(kind.into())));
        assert!(held(Ok(())).unwrap());
        assert!(!failed(ErrorKind::Unsupported).unwrap());
        assert!(matches!(held(Err(TryLockError::WouldBlock)), Err(StudyError::Busy { .. })));
        for kind in [ErrorKind::PermissionDenied, ErrorKind::Interrupted, ErrorKind::Other] {
            assert!(matches!(failed(kind), Err(StudyError::Write { .. })), "{kind:?}");
        }
    }
}
