//! Files that commands read and write.

use std::path::Path;

use bias_files::folder_of;

use crate::failure::Failure;

/// Neutral texts, one a line, of the file that was named; else of `neutral.txt` in the model's
/// folder, or none where there is no such file.
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

/// Makes the folder that a file is to be written to, and tries whether it can be: what is wrong
/// with it is said before the work, not after.
///
/// # Errors
/// A folder that cannot be made or written to, or a file that is one.
pub fn writable(file: &Path) -> Result<(), Failure> {
    if file.is_dir() {
        return Err(format!("cannot write {}: it is a folder; name a file", file.display()).into());
    }
    let folder = folder_of(file);
    let tried = std::fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder));
    tried.map(drop).map_err(|error| format!("cannot write {}: {error}", file.display()).into())
}
