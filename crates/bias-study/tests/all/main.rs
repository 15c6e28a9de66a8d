//! The integration tests of this crate, one program: burn is linked once.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, which clippy.toml does not see

mod affine;
mod also;
mod benchmark;
mod compare;
mod experiments;
mod figures;
mod fingerprint;
mod generalize;
mod kinds;
mod made_up;
mod objective;
mod outside;
mod outside_model;
mod pairs;
mod questions;
mod reading;
mod recorded;
mod report;
mod resume;
mod small;
mod streamed;
mod study;
mod treatments;
