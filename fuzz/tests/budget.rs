//! A minute of changed seeds, which is what CI has for them (`FUZZ_SECONDS`).
#![allow(clippy::unwrap_used, reason = "a test")]

use std::process::Command;

#[test]
fn no_input_panics_or_takes_more_than_it_may() {
    let out = tempfile::tempdir().unwrap();
    let ran =
        Command::new(env!("CARGO_BIN_EXE_fuzz")).arg("--out").arg(out.path()).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    println!("{said}");
    // The folder goes with the test: the input is found again by `fuzz --target NAME`.
    assert!(ran.status.success(), "{said}\n{}", String::from_utf8_lossy(&ran.stderr));
}
