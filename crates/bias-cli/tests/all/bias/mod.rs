//! Runs `bias`.
#![allow(dead_code)] // every test file uses a part

use std::path::{Path, PathBuf};

use crate::program::{Program, Ran};

/// Its subcommands.
pub const COMMANDS: [&str; 14] = [
    "attribute",
    "audit",
    "benchmark",
    "capture",
    "compare",
    "completions",
    "frameworks",
    "generalize",
    "man",
    "pairs",
    "prune",
    "serve",
    "study",
    "verify",
];

/// The program that was built with this test.
pub fn file() -> PathBuf {
    env!("CARGO_BIN_EXE_bias").into()
}

/// Runs a subcommand in a folder; arguments are split at spaces.
pub fn run(command: &str, folder: &Path, args: &str) -> Ran {
    Program::new(&file(), folder, [command].into_iter().chain(args.split_whitespace())).run()
}
