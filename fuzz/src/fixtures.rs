use std::fs;
use std::path::{Path, PathBuf};

use crate::mutate::LONGEST;

/// A path below `fixtures/`.
pub(crate) fn path(inner: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(inner)
}

/// The content of a file below `fixtures/`.
pub(crate) fn file(inner: &str) -> Vec<u8> {
    fs::read(path(inner)).unwrap()
}

/// The first lines of a file below `fixtures/`.
pub(crate) fn head(inner: &str, lines: usize) -> Vec<u8> {
    let text = String::from_utf8(file(inner)).unwrap();
    text.split_inclusive('\n').take(lines).collect::<String>().into_bytes()
}

/// Every file in the folders of a folder below `fixtures/` whose path ends so, in the order of their
/// names. Long ones are left out: most of a long file is more of the same.
pub(crate) fn all(inner: &str, name: &str) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    collect(&path(inner), name, &mut found);
    found.sort();
    let read = found.into_iter().map(|path| fs::read(path).unwrap());
    read.filter(|bytes| bytes.len() <= LONGEST).collect()
}

fn collect(folder: &Path, name: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, name, found);
        } else if path.to_string_lossy().ends_with(name) {
            found.push(path);
        }
    }
}

/// Copies the files of a folder below `fixtures/`.
pub(crate) fn copy(inner: &str, to: &Path) {
    for entry in fs::read_dir(path(inner)).unwrap() {
        let from = entry.unwrap().path();
        if from.is_file() && !from.ends_with("expected.safetensors") {
            fs::copy(&from, to.join(from.file_name().unwrap())).unwrap();
        }
    }
}
