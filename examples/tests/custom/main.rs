//! A method and a model from outside the workspace.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, which clippy.toml does not see

mod attribution;
mod model;
#[path = "../outside/mod.rs"]
mod outside;
