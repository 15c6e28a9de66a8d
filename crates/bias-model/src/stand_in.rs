use std::path::Path;

use crate::error::ModelError;

/// Refuses a file that stands in for another: a pointer of Git LFS, or a web page.
pub(crate) fn refuse(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    let begins = |text: &str| bytes.starts_with(text.as_bytes());
    let page = bytes.get(..64).unwrap_or(bytes).to_ascii_lowercase();
    let page = page.trim_ascii_start();
    let (found, advice) = if begins("version https://git-lfs.github.com/spec/") {
        (
            "a pointer of Git LFS instead of the file".to_owned(),
            "fetch the file with `git lfs pull` in its folder, or download it again".to_owned(),
        )
    } else if page.starts_with(b"<!doctype html") || page.starts_with(b"<html") {
        (
            "a web page instead of the file, as a download without permission leaves".to_owned(),
            "download the file again, with a token where the model asks for one".to_owned(),
        )
    } else {
        return Ok(());
    };
    Err(ModelError::OtherForm { path: path.into(), found, advice })
}
