//! The integration tests of this crate, one program: burn is linked once.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, which clippy.toml does not see

mod attribute;
mod bias;
mod capture;
mod commands;
mod frameworks;
mod generalize;
#[cfg(feature = "hosted")]
mod hosted;
// Where calls to the system can be watched.
#[cfg(all(feature = "hosted", target_os = "linux", target_arch = "x86_64"))]
mod interrupted;
// A server on this machine, and a language model whose distribution is known.
#[cfg(feature = "hosted")]
#[allow(dead_code)]
#[path = "../../../bias-hosted/tests/all/language.rs"]
mod language;
mod not_a_file;
mod pipes;
mod program;
mod prune;
mod recorded;
mod serve;
#[cfg(feature = "hosted")]
#[allow(dead_code)]
#[path = "../../../bias-hosted/tests/all/server.rs"]
mod server;
mod shown;
mod study;
