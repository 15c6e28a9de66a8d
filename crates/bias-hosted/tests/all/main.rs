//! The integration tests of this crate, against servers of their own on this machine.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, which clippy.toml does not see

mod bad_input;
mod dialects;
mod faults;
mod keys;
mod language;
mod manners;
mod resume;
mod sequences;
mod server;
mod ways;
