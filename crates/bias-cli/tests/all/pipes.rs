//! A reader that closes the pipe, as `head` does, ends every command quietly: no panic, no message,
//! the exit code of the work that was done.

use crate::bias;
use crate::program;

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use crate::bias::COMMANDS;
use crate::program::small;

fn command(folder: &Path, args: &str) -> Command {
    let mut command = Command::new(bias::file());
    command.args(args.split_whitespace()).current_dir(folder).stdin(Stdio::null());
    command.env("HF_HUB_OFFLINE", "1").env("HF_HOME", folder.join("no-cache"));
    command
}

/// Runs it with a reader that takes some bytes and goes; the status, and standard error.
fn headed(folder: &Path, args: &str, bytes: usize) -> (ExitStatus, String) {
    let mut child =
        command(folder, args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut err = child.stderr.take().unwrap();
    if bytes > 0 {
        out.read_exact(&mut vec![0; bytes]).unwrap();
    }
    drop(out);
    let mut said = String::new();
    err.read_to_string(&mut said).unwrap();
    (child.wait().unwrap(), said)
}

/// That it ends quietly whether its reader goes at once or later, and with standard error closed,
/// too.
#[track_caller]
fn ends_quietly(folder: &Path, args: &str) {
    for bytes in [0, 1] {
        let (status, said) = headed(folder, args, bytes);
        assert_eq!(status.code(), Some(0), "{args}: {said}");
        assert!(!said.contains("panicked") && !said.contains("error"), "{args}: {said}");
    }
    // As in `bias audit 2>&1 | head`.
    let (reader, writer) = std::io::pipe().unwrap();
    let both = command(folder, args).stdout(writer.try_clone().unwrap()).stderr(writer).spawn();
    drop(reader);
    assert_eq!(both.unwrap().wait().unwrap().code(), Some(0), "{args}");
}

#[test]
fn pages_of_words_end_quietly() {
    let folder = tempfile::tempdir().unwrap();
    for args in ["--help", "-h", "--version", "help", "man", "man pages"] {
        ends_quietly(folder.path(), args);
    }
    for name in COMMANDS {
        ends_quietly(folder.path(), &format!("{name} --help"));
        ends_quietly(folder.path(), &format!("{name} -h"));
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        ends_quietly(folder.path(), &format!("completions {shell}"));
    }
}

#[test]
fn commands_finish_their_work_quietly() {
    let folder = small(2);
    let pairs = fs::read_to_string(program::repository("fixtures/pairs/pairs.csv")).unwrap();
    fs::write(folder.path().join("few.csv"), pairs.lines().take(3).collect::<Vec<_>>().join("\n"))
        .unwrap();
    for args in [
        "audit --model model",
        "audit --model model --json",
        "pairs --model model --pairs few.csv",
        "pairs --model model --pairs few.csv --json",
        "capture --model model --list",
        "capture --model model --out kept",
        "attribute --model model --method random --out mask",
        "attribute --model model --method gap-pursuit --out pursued",
        "prune --model model --mask mask --out pruned",
        "benchmark model --method random --budgets 0.01 --names 2,2 --out tried",
        "study --quick --model model --out one --markdown one.md",
        "study --render one/results.json --out again",
        "study --compare one/results.json one/results.json",
        "verify one --model model",
    ] {
        // `prune` writes no folder that is there: once is enough for what takes long.
        if ["prune", "benchmark", "study --quick"].iter().any(|own| args.starts_with(own)) {
            let (status, said) = headed(folder.path(), args, 0);
            assert_eq!(status.code(), Some(0), "{args}: {said}");
            assert!(!said.contains("panicked") && !said.contains("error"), "{args}: {said}");
        } else {
            ends_quietly(folder.path(), args);
        }
    }
    // What they write is whole although nobody read what they printed.
    for made in [
        "kept",
        "mask",
        "pruned/config.json",
        "tried/model.json",
        "one/manifest.json",
        "one/timing.json",
    ] {
        assert!(folder.path().join(made).exists(), "{made}");
    }
}

/// Any other error of standard output is one.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said() {
    let folder = small(2);
    for args in ["completions bash", "man", "capture --model model --list", "audit --model model"] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let ran =
            command(folder.path(), args).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(1), "{args}: {said}");
        assert!(said.contains("error: cannot write to standard output"), "{args}: {said}");
        assert!(!said.contains("panicked"), "{args}: {said}");
    }
}
