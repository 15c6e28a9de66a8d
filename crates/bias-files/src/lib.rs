//! Files that are written whole or not at all, read within limits, and numbers as bytes.
//!
//! Use it to write a file or a folder that others may read meanwhile, or that is compared byte by
//! byte. A file appears under its name once all of it is on the disk, with the mode that the umask
//! gives any new file. Do not use it for logs, or for files that grow. Use it to read files that
//! strangers wrote: a pipe is refused instead of waited for, and a file is no larger than its kind
//! may be.
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use bias_files::{Tensor, save_tensors};
//!
//! # fn main() -> std::io::Result<()> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("norms.safetensors");
//! let tensors = [("norms".to_owned(), Tensor::f32(vec![2, 2], &[1.0, 2.0, 3.0, 4.0]))];
//! save_tensors(&path, tensors, &BTreeMap::from([("format".into(), "norms/1".into())]))?;
//! # Ok(())
//! # }
//! ```
//!
//! | file | what for |
//! |---|---|
//! | whole | [`write_whole`], [`write_with`], [`write_folder`]: files and folders, whole or not at all; [`check_target`], [`create_folder`], [`folder_of`], [`UNFINISHED`] |
//! | open | [`open_file`], [`open_file_with`], [`open_input`], [`read_file`], [`read_input`]: ordinary files, up to a size; [`Refused`] |
//! | hash | [`hex`], [`sha256_of_file`] |
//! | numbers | [`f32_bytes`], [`f64_bytes`], [`f32s`], [`f64s`]: numbers as little-endian bytes |
//! | output | [`say!`], [`note!`]: lines on standard output and error, which a reader may have closed |
//! | stand_in | [`stand_in`]: files that stand in for others, such as pointers of Git LFS |
//! | tensors | [`Tensor`], [`save_tensors`], [`header`]: safetensors with the same bytes each time |

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod hash;
mod numbers;
mod open;
pub mod output;
mod stand_in;
mod tensors;
mod whole;

pub use self::hash::{hex, sha256_of_file};
pub use self::numbers::{f32_bytes, f32s, f64_bytes, f64s};
pub use self::open::{Refused, open_file, open_file_with, open_input, read_file, read_input};
pub use self::stand_in::{StandIn, stand_in};
pub use self::tensors::{Tensor, header, save_tensors};
pub use self::whole::{
    UNFINISHED, check_target, create_folder, folder_of, write_folder, write_whole, write_with,
};
