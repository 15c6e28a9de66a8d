//! The integration tests of this crate, one program: burn is linked once.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, which clippy.toml does not see

mod conformance;
mod edges;
mod gap_pursuit;
mod golden;
mod golden_model;
mod guards;
mod hostile;
mod questions;
mod signed_gap;
