//! The integration tests of this crate, one program: burn is linked once.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, which clippy.toml does not see

mod answers;
mod coverage;
mod forms;
mod golden;
mod groups;
mod misread;
mod statistics;
mod thoughts;
mod written;
