//! Commands that README, guide, other pages and `--help` show are understood by the programs they call, and run.
#![allow(clippy::unwrap_used, clippy::panic)]
#![cfg(unix)] // commands are a shell's

mod program;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use program::shown::{Call, Shown, in_help, in_page, pages};
use program::{EXAMPLES, Program, built, example, flags, repository, run, small};

/// All that is shown, in the order of the pages.
fn shown() -> Vec<Shown> {
    let mut all: Vec<Shown> = pages().iter().flat_map(|page| in_page(page)).collect();
    let folder = tempfile::tempdir().unwrap();
    for name in EXAMPLES {
        all.extend(in_help(name, &run(name, folder.path(), "--help").done(), &EXAMPLES));
    }
    all
}

/// A call of an example of this build, with more than its name.
fn call(own: &Shown) -> Option<Call> {
    let call = own.call().filter(|call| EXAMPLES.contains(&call.name.as_str()))?;
    (call.kind.is_some() || !call.args.is_empty()).then_some(call)
}

/// Words that stand for the user's own, in a folder as `small` makes it.
fn filled(args: &str, top: &str, mask: &str) -> String {
    let words = args.split_whitespace().map(|word| match word {
        "DIR" | "~/my-model" => format!("{top}/model"),
        "CSV" | "my.csv" => format!("{top}/my.csv"),
        other => other.replace("masks/MASK", &format!("masks/{mask}")),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// `--help` at the end: everything before it is read first, and refused if it is not known.
#[test]
fn every_command_is_understood() {
    let folder = small(2);
    let mut programs = BTreeSet::new();
    for own in shown() {
        let Some(call) = call(&own) else { continue };
        let args = filled(&call.args, ".", "a").replace("\"$SLURM_ARRAY_TASK_ID/8\"", "0/8");
        let ran = run(&call.name, folder.path(), &format!("{args} --help"));
        // What is well said for all that: a device that this build does not have, a flag that is mentioned alone,
        // a folder that the command before makes.
        let known = ["build with --features", "a value is required", "`pruned` is not a folder"];
        let known = known.iter().any(|own| ran.err.contains(own));
        assert!(ran.code == Some(0) || known, "{}: `{}`\n{}", own.place, own.line, ran.err);
        programs.insert(call.name);
    }
    let seen: Vec<&str> = programs.iter().map(String::as_str).collect();
    for name in ["attribute", "audit", "benchmark", "capture", "prune", "study", "verify"] {
        assert!(seen.contains(&name), "{name} is shown nowhere: {seen:?}");
    }
}

/// What `cargo` is told exists: examples, packages, tests, features; and so do scripts.
#[test]
fn every_target_exists() {
    let mut found = 0;
    for own in pages().iter().flat_map(|page| in_page(page)) {
        let words: Vec<&str> = own.line.split_whitespace().collect();
        let place = format!("{}: `{}`", own.place, own.line);
        if let Some(script) = words.first().filter(|word| word.starts_with("scripts/")) {
            assert!(repository(script).is_file(), "{place}");
        }
        if let ["uv", "run", script, ..] = words[..] {
            let text = fs::read_to_string(repository(script)).unwrap();
            assert!(own.flags().all(|flag| text.contains(&format!("\"{flag}\""))), "{place}");
        }
        if words.first() != Some(&"cargo") {
            continue;
        }
        found += 1;
        for (flag, value) in words.iter().zip(&words[1..]) {
            let package =
                || words.iter().position(|word| *word == "-p").map_or("bias-examples", |at| words[at + 1]);
            let folder = match package() {
                "bias-examples" => repository("examples"),
                "bias-benches" => repository("benches"),
                own => repository("crates").join(own),
            };
            let manifest = || fs::read_to_string(folder.join("Cargo.toml")).unwrap();
            match *flag {
                "-p" => assert!(folder.join("Cargo.toml").exists(), "{place}"),
                "--example" if *value != "NAME" => {
                    assert!(manifest().contains(&format!("name = \"{value}\"")), "{place}");
                }
                "--bin" => assert!(folder.join(format!("src/bin/{value}.rs")).exists(), "{place}"),
                "--test" => assert!(folder.join(format!("tests/{value}.rs")).exists(), "{place}"),
                "--features" => {
                    for feature in value.split(',') {
                        assert!(
                            manifest().lines().any(|line| line.starts_with(&format!("{feature} = "))),
                            "{place}"
                        );
                    }
                }
                _ => {}
            }
        }
    }
    assert!(found > 10, "{found}");
}

/// Flags of cargo, of programs that need a feature, and of those in benches (whose own test looks at them).
const OTHERS: [&str; 9] = [
    "--release",
    "--example",
    "--workspace",
    "--features",
    "--bin",
    "--test",
    "--nocapture",
    "--listen",
    "--help",
];

/// A flag that is mentioned anywhere belongs to some example.
#[test]
fn every_flag_that_is_mentioned_exists() {
    let folder = tempfile::tempdir().unwrap();
    let mut known: BTreeSet<String> = OTHERS.map(str::to_owned).into();
    for name in EXAMPLES {
        known.extend(flags(&run(name, folder.path(), "--help").done()));
    }
    let pages = pages().into_iter().filter(|page| !page.ends_with("docs/performance.md"));
    for own in pages.flat_map(|page| in_page(&page)) {
        for flag in own.flags() {
            assert!(known.contains(flag), "{}: `{}`", own.place, own.line);
        }
    }
}

/// Commands that take minutes: they are read above, and run in short in `commands.rs`.
const LONG: [&str; 4] = ["benchmark", "calibration", "train_fixture", "plant_fixture"];

/// The shell's line for a call: programs that read prompts get the few ones if none are named, and a study the
/// small model, and is quick.
fn line(call: &Call, mask: &str) -> String {
    let mut line = format!("{} {}", call.name, filled(&call.args, "\"$TOP\"", mask));
    let studies = call.name == "study" && !line.contains("--compare");
    let asks = studies || ["attribute", "audit"].contains(&call.name.as_str());
    let more = [
        (asks, "--prompts", "\"$TOP\"/my.csv"),
        (studies, "--model", "\"$TOP\"/model"),
        (studies, "--quick", ""),
    ];
    for (wanted, flag, value) in more {
        if wanted && !line.contains(flag) {
            line += &format!(" {flag} {value}");
        }
    }
    line
}

/// Runs a line where `$TOP` has model and prompts, and programs are found by their names.
fn shell(folder: &Path, top: &Path, line: &str) -> String {
    let paths = std::env::join_paths([built(), "/usr/bin".into(), "/bin".into()]).unwrap();
    let sh = Program::new(Path::new("/bin/sh"), folder, ["-c", line]);
    sh.env("PATH", paths).env("TOP", top).run().done()
}

/// From the audit to the pruned copy, as it is written.
#[test]
fn the_guide_can_be_followed() {
    let folder = small(4);
    let path = folder.path();
    EXAMPLES.iter().for_each(|name| drop(example(name)));
    let mut done = Vec::new();
    for own in in_page(&repository("docs/guide.md")) {
        let Some(call) = call(&own).filter(|call| !LONG.contains(&call.name.as_str())) else { continue };
        // Parts of a command, in the middle of a sentence.
        if call.kind.is_none() && call.name != "study" || call.args.starts_with("--stored-mask") {
            continue;
        }
        let masks = fs::read_dir(path.join("study-out/masks")).into_iter().flatten();
        let mask =
            masks.map(|file| file.unwrap().file_name().into_string().unwrap()).min().unwrap_or_default();
        let line = line(&call, &mask);
        if line.contains("$SLURM_ARRAY_TASK_ID") {
            // What an array of jobs counts.
            for task in 0..8 {
                shell(path, path, &format!("export SLURM_ARRAY_TASK_ID={task}; {line}"));
            }
        } else {
            shell(path, path, &line);
        }
        done.push(call.name);
    }
    let expected = ["audit", "study", "verify", "attribute", "prune"];
    assert!(expected.iter().all(|name| done.iter().any(|own| own == name)), "{done:?}");
    assert!(path.join("pruned/pruned.json").exists() && path.join("mask.safetensors").exists());
}

/// What must be there before a command of a help text can run, as its reader has it.
fn prepare(folder: &Path, top: &Path, line: &str) {
    let study = folder.join("study-out");
    if line.starts_with("verify ") && !study.exists() {
        let args = format!("--quick --model {0}/model --prompts {0}/my.csv", top.display());
        run("study", folder, &args).done();
    }
    if line.contains("--compare") {
        for other in ["a", "b"] {
            fs::create_dir(folder.join(other)).unwrap();
            fs::copy(study.join("results.json"), folder.join(other).join("results.json")).unwrap();
        }
    } else if line.starts_with("study ") && !line.contains("--out") {
        // Each is another study.
        let _ = fs::remove_dir_all(study);
    }
}

/// What `--help` shows, in its order.
#[test]
fn examples_in_help_texts_run() {
    let top = small(2);
    let top = top.path();
    let mut done = BTreeSet::new();
    for name in EXAMPLES {
        let folder = top.join(name);
        fs::create_dir(&folder).unwrap();
        for own in in_help(name, &run(name, &folder, "--help").done(), &EXAMPLES) {
            let line = line(&own.call().unwrap(), "");
            // The first of three parts stands for all.
            let parts = if line.contains("--shard 0/3") { 3 } else { 1 };
            for part in 0..parts {
                let line =
                    line.replace("0/3", &format!("{part}/3")).replace("part0 ", &format!("part{part} "));
                prepare(&folder, top, &line);
                shell(&folder, top, &line);
            }
            done.insert(name);
        }
    }
    assert!(done.into_iter().eq(["capture", "prune", "study", "verify"]));
}
