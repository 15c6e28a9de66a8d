//! The integration tests of this crate, one program: burn is linked once.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, which clippy.toml does not see

mod common;
mod concepts;
mod conformance;
mod laws;
mod reversible;
