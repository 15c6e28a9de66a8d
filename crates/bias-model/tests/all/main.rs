//! The integration tests of this crate, one program: burn is linked once.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, which clippy.toml does not see

mod asking;
mod budget;
mod chat;
mod decoding;
mod embedded;
mod export;
mod folders;
mod forms;
mod forms_hostile;
mod generation;
mod gguf;
mod gguf_hostile;
mod hostile;
#[cfg(all(feature = "hub", unix))]
mod hub;
mod interventions;
mod mixtures;
mod parity;
mod probing;
mod questions;
mod refused;
mod streamed;
mod tied;
