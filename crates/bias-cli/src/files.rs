//! Files that commands read and write.

use std::path::Path;

use bias_files::folder_of;

use crate::failure::Failure;

/// The neutral texts of the named file, one per line, or of `neutral.txt` in the model's folder.
/// None if that file does not exist.
///
/// # Errors
/// A file that cannot be read.
pub fn neutral(named: Option<&Path>, folder: &Path) -> Result<Vec<String>, Failure> {
    let path = named.map_or_else(|| folder.join("neutral.txt"), Path::to_owned);
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            Ok(text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect())
        }
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            Ok(Vec::new())
        }
        Err(error) => Err(format!("--neutral: cannot read {}: {error}", path.display()).into()),
    }
}

/// Creates the folder of an output file and checks that it is writable, so that a fault is reported
/// before the work and not after it.
///
/// # Errors
/// A folder that cannot be created or written to, or a path that is itself a folder.
pub fn writable(file: &Path) -> Result<(), Failure> {
    if file.is_dir() {
        return Err(format!("cannot write {}: it is a folder; name a file", file.display()).into());
    }
    let folder = folder_of(file);
    let tried = std::fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder));
    tried.map(drop).map_err(|error| format!("cannot write {}: {error}", file.display()).into())
}
