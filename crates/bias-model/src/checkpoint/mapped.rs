//! Maps files into memory: the one place with `unsafe`.
#![allow(unsafe_code)]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bias_files::open_file;
#[cfg(unix)]
use memmap2::Advice;
use memmap2::Mmap;

use crate::error::ModelError;

/// A mapped weights file, which must not change while it is used.
#[derive(Debug)]
pub(crate) struct Mapped {
    pub path: PathBuf,
    pub map: Mmap,
    file: File,
    modified: Option<SystemTime>,
}

impl Mapped {
    pub(crate) fn open(path: PathBuf) -> Result<Self, ModelError> {
        let read = |source| ModelError::Read { path: path.clone(), source };
        let file = open_file(&path).map_err(read)?;
        let modified = file.metadata().map_err(read)?.modified().ok();
        let map = map(&file).map_err(read)?;
        Ok(Self { path, map, file, modified })
    }

    /// Refuses a file that was written to or truncated since it was mapped. A file that another one
    /// of its name has replaced is still the mapped one. If the file system records no time of
    /// modification, only the length is compared.
    ///
    /// # Errors
    /// [`ModelError::Changed`].
    pub(crate) fn check(&self) -> Result<(), ModelError> {
        let now = self
            .file
            .metadata()
            .map_err(|source| ModelError::Read { path: self.path.clone(), source })?;
        if now.len() == self.map.len() as u64 && now.modified().ok() == self.modified {
            Ok(())
        } else {
            Err(ModelError::Changed { path: self.path.clone() })
        }
    }

    /// Asks the system to read some bytes ahead. This is a hint without any guarantee.
    pub(crate) fn ahead(&self, start: usize, len: usize) {
        #[cfg(unix)]
        drop(self.map.advise_range(Advice::WillNeed, start, len));
    }
}

/// Maps a weights file for reading. Pages are read when they are used, and the system can drop them
/// again.
pub(crate) fn map(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the map is only ever read, as bytes without validity requirements, and
    // every length and offset taken from it is checked against its size first. Rust
    // cannot exclude that another process truncates or rewrites the file meanwhile;
    // then reads fault or see other bytes. Model folders are not edited while in use,
    // and docs/guide.md says so; `Mapped::check` finds out where it happened all the same.
    unsafe { Mmap::map(file) }
}

/// Maps a file that is read once.
pub(crate) fn once(path: &Path) -> Result<Mmap, ModelError> {
    open_file(path)
        .and_then(|file| map(&file))
        .map_err(|source| ModelError::Read { path: path.into(), source })
}
