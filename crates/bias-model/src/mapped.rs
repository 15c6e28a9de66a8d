//! The one place with `unsafe`: mapping a file into memory.
#![allow(unsafe_code)]

use std::fs::File;
use std::path::Path;

use memmap2::Mmap;

use crate::ModelError;

/// Maps a weights file for reading, so that pages are read only when used and
/// can be dropped again by the system.
pub(crate) fn map(path: &Path) -> Result<Mmap, ModelError> {
    let read = |source| ModelError::Read { path: path.into(), source };
    let file = File::open(path).map_err(read)?;
    // SAFETY: the map is only ever read, as bytes without validity requirements, and
    // every length and offset taken from it is checked against its size first. Rust
    // cannot exclude that another process truncates or rewrites the file meanwhile;
    // then reads fault or see other bytes. Model folders are not edited while in use,
    // and docs/guide.md says so.
    unsafe { Mmap::map(&file) }.map_err(read)
}
