use std::fs::Metadata;
use std::io::ErrorKind;
use std::path::Path;

use crate::error::ModelError;

/// The metadata of a file or folder, with links followed; `None` if it does not exist.
///
/// `Path::exists` and `Path::is_file` also return false if the system does not allow access: an
/// unreadable folder would look like one without files. Here such a path is [`ModelError::Read`].
pub(crate) fn metadata(path: &Path) -> Result<Option<Metadata>, ModelError> {
    match path.metadata() {
        Ok(found) => Ok(Some(found)),
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Ok(None),
            // No file can have such a name.
            ErrorKind::InvalidInput | ErrorKind::InvalidFilename => Ok(None),
            _ => Err(ModelError::Read { path: path.into(), source: error }),
        },
    }
}

/// Whether a file or folder with this path exists.
pub(crate) fn exists(path: &Path) -> Result<bool, ModelError> {
    Ok(metadata(path)?.is_some())
}

/// Whether a file with this path exists.
pub(crate) fn is_file(path: &Path) -> Result<bool, ModelError> {
    Ok(metadata(path)?.is_some_and(|found| found.is_file()))
}

/// Whether a folder with this path exists.
pub(crate) fn is_folder(path: &Path) -> Result<bool, ModelError> {
    Ok(metadata(path)?.is_some_and(|found| found.is_dir()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_there_is_absent() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(is_file(file.path()).unwrap() && !is_folder(file.path()).unwrap());
        let long = "a".repeat(5000);
        for path in [file.path().join("below"), "no\0name".into(), long.into()] {
            assert!(!exists(&path).unwrap(), "{}", path.display());
        }
    }

    /// A link to itself cannot be resolved, whatever the user's rights.
    #[cfg(unix)]
    #[test]
    fn what_cannot_be_looked_at_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("loop");
        std::os::unix::fs::symlink(&path, &path).unwrap();
        for looked in [exists(&path), is_file(&path), is_folder(&path)] {
            let error = looked.unwrap_err();
            assert!(
                matches!(&error, ModelError::Read { path: own, .. } if *own == path),
                "{error}"
            );
        }
    }
}
