//! The models and texts in the repository, for commands without a named model.

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The folder of the embedded model, if it can be found: below the working folder or one of its
/// parents, the package that cargo runs, or the program.
///
/// # Errors
/// No such folder, as for an installed program. The message says what to pass instead.
pub fn embedded() -> Result<PathBuf, Failure> {
    shipped("fixtures/emergent").ok_or_else(|| {
        "no model was named, and the embedded model is only in the project's repository: name a model with --model \
         DIR, and a file of questions with --prompts CSV if the model's folder has none"
            .into()
    })
}

/// A file or folder of the repository, by its path there.
#[must_use]
pub fn shipped(inner: &str) -> Option<PathBuf> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let starts = [std::env::current_dir().ok(), package, std::env::current_exe().ok()];
    starts.iter().flatten().find_map(|start| above(start, inner))
}

/// The path of a repository file, in the nearest ancestor that contains the repository.
fn above(start: &Path, inner: &str) -> Option<PathBuf> {
    // Not any folder of that name.
    let repository =
        start.ancestors().find(|own| own.join("fixtures/emergent/config.json").is_file())?;
    let found = repository.join(inner);
    found.exists().then_some(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shipped_lies_above() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        let inside = top.join("target/debug/bias");
        assert_eq!(above(&inside, "fixtures/emergent"), None);
        std::fs::create_dir_all(top.join("fixtures/emergent")).unwrap();
        assert_eq!(above(&inside, "fixtures/emergent"), None, "a folder without a model");
        std::fs::write(top.join("fixtures/emergent/config.json"), "{}").unwrap();
        assert_eq!(above(&inside, "fixtures/emergent"), Some(top.join("fixtures/emergent")));
        assert_eq!(above(&inside, "fixtures/pairs/pairs.csv"), None);
    }
}
