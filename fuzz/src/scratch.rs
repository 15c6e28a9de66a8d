use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

thread_local! {
    static FOLDERS: RefCell<HashMap<&'static str, TempDir>> = RefCell::default();
}

/// A folder of this thread that `fill` filled when it was first asked for, in memory where the
/// system has such a place.
pub(crate) fn folder(name: &'static str, fill: impl FnOnce(&Path)) -> PathBuf {
    let known = FOLDERS.with_borrow(|all| all.get(name).map(|own| own.path().to_owned()));
    known.unwrap_or_else(|| {
        let own = temporary();
        let path = own.path().to_owned();
        fill(&path);
        FOLDERS.with_borrow_mut(|all| all.insert(name, own));
        path
    })
}

/// Runs `read` on a file of this name that holds these bytes.
pub(crate) fn with_file<T>(name: &'static str, bytes: &[u8], read: impl FnOnce(&Path) -> T) -> T {
    let path = folder(name, |_| {}).join(name);
    fs::write(&path, bytes).unwrap();
    read(&path)
}

/// The bytes of the file that `write` writes.
pub(crate) fn written(write: impl FnOnce(&Path)) -> Vec<u8> {
    let folder = temporary();
    let path = folder.path().join("file");
    write(&path);
    fs::read(path).unwrap()
}

/// A new folder, in memory where the system has such a place.
#[must_use]
pub fn temporary() -> TempDir {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("bias-fuzz-").tempdir_in(place).unwrap()
}
