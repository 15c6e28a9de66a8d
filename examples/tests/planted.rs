//! The planted models keep what they promise: fair without their planted neurons, unfair by them, and by no others.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};

use bias_examples::promises::promises;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/planted").join(name)
}

fn check(name: &str, expected: usize) {
    let found = promises(&fixture(name)).unwrap();
    let broken: Vec<_> = found.iter().filter(|own| !own.kept).collect();
    assert!(broken.is_empty(), "{name}: {broken:#?}");
    assert_eq!(found.len(), expected, "{name}: {found:#?}");
}

#[test]
fn nothing_is_shared() {
    check("shared-0", 6 + 9);
}

#[test]
fn part_is_shared() {
    check("shared-40", 6 + 3 + 9);
}

#[test]
fn all_is_shared() {
    check("shared-100", 6 + 3);
}

/// A truth that points elsewhere is found out, and so is another model's.
#[test]
fn a_wrong_truth_keeps_no_promise() {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(fixture("shared-0")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let truth = folder.path().join("truth.json");
    let text = std::fs::read_to_string(&truth).unwrap();
    std::fs::write(&truth, text.replace("\"L3N", "\"L1N").replace("\"L4N", "\"L2N")).unwrap();
    let found = promises(folder.path()).unwrap();
    assert!(found.iter().any(|own| !own.kept && own.what.contains("without all sets")), "{found:#?}");
    let other = std::fs::read_to_string(fixture("shared-40").join("truth.json")).unwrap();
    std::fs::write(&truth, other).unwrap();
    let error = promises(folder.path()).unwrap_err().to_string();
    assert!(error.contains("fingerprint"), "{error}");
}
