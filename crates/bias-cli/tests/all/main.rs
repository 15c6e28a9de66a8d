//! The integration tests of this crate, one program: burn is linked once.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, which clippy.toml does not see

mod attribute;
mod bias;
mod capture;
mod commands;
mod pipes;
mod program;
mod recorded;
mod serve;
mod shown;
