//! Everything in the workspace that reads what a stranger wrote, as functions of bytes.
//!
//! Use it to find inputs that panic, never end or take memory without bound. The program `fuzz`
//! runs every target on changed seeds (`fuzz/README.md`); `fuzz/libfuzzer` hands the same targets
//! to libFuzzer, which is guided by coverage.
//!
//! ```
//! let target = bias_fuzz::TARGETS.iter().find(|own| own.name == "answer").unwrap();
//! (target.run)(b"I would offer $12,000.");
//! assert!(!(target.seeds)().is_empty());
//! ```
//!
//! | file | what for |
//! |---|---|
//! | target | [`Target`], [`TARGETS`]: every reader, with its seeds |
//! | targets | the readers, by what they read |
//! | mutate | [`mutated`]: a seed changed in a way that a number decides |
//! | scratch | files in memory, for readers that take a path |
//! | fixtures | seeds from the repository's fixtures |
//! | toy | somebody who answers every question alike |

#![allow(clippy::unwrap_used, reason = "a program for tests; a target that panics is a finding")]

mod fixtures;
#[path = "../../crates/bias-study/tests/all/made_up/mod.rs"]
#[allow(clippy::all, reason = "written for tests")]
mod made_up;
mod mutate;
mod scratch;
mod target;
mod targets;
mod toy;

pub use self::mutate::{LONGEST, mutated};
pub use self::scratch::temporary;
pub use self::target::{TARGETS, Target};
