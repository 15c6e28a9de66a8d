//! `parity` starts, compares, and says in a line what is wrong with an argument.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../crates/bias-cli/tests/program/mod.rs"]
mod program;

use std::path::Path;

use program::{Ran, Wrong, flags, repository};

const PROGRAMS: [(&str, &str, &str); 1] =
    [("parity", env!("CARGO_BIN_EXE_parity"), "Compare models with what transformers computes")];

fn run(name: &str, folder: &Path, args: &str) -> Ran {
    program::run_of(&PROGRAMS, name, folder, args)
}

#[test]
fn it_says_what_it_does() {
    program::each_says_what_it_does(&PROGRAMS);
    let folder = tempfile::tempdir().unwrap();
    let own = flags(&run("parity", folder.path(), "--help").done());
    assert!(
        ["--device", "--compute", "--stored"].iter().all(|flag| own.iter().any(|own| own == flag)),
        "{own:?}"
    );
}

const WRONG: &[Wrong] = &[
    ("parity", "--cases no-folder", "no-folder", &["cases.json"]),
    ("parity", "--case guess", "--case", &["guess", "llama3_rope"]),
];

#[test]
fn wrong_arguments_are_named_and_what_is_allowed_is_said() {
    program::each_is_refused(WRONG, run);
}

#[test]
fn what_is_shown_is_understood() {
    assert!(program::what_is_shown_is_understood(&PROGRAMS).iter().eq(["parity"]));
}

#[test]
fn parity_compares_a_case() {
    let folder = tempfile::tempdir().unwrap();
    for args in ["--case gqa_sharded --case gpt2_hub", "--case tied_bf16 --stored --device cpu"] {
        let table = run("parity", folder.path(), args).done();
        let cases = args.matches("--case").count();
        assert_eq!(table.lines().count(), 2 + cases, "{table}");
    }
    let own = repository("fixtures/golden");
    let args = format!("--cases {} --case llama3_rope", own.display());
    assert!(run("parity", folder.path(), &args).done().contains("| llama |"));
}
