//! Commands that README, guide, other pages and `--help` show are understood by the programs they
//! call, and run.
#![cfg(unix)] // commands are a shell's

use crate::bias;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::bias::{COMMANDS, run};
use crate::program::shown::{Call, Shown, in_help, in_page, pages};
use crate::program::{Program, flags, repository, small};

/// All that is shown, in the order of the pages.
fn shown() -> Vec<Shown> {
    let mut all: Vec<Shown> = pages().iter().flat_map(|page| in_page(page)).collect();
    let folder = tempfile::tempdir().unwrap();
    for name in helps() {
        all.extend(in_help(name, &help(name, folder.path()), "bias"));
    }
    all
}

/// Whose `--help` there is: that of `bias`, without a name, and each subcommand's.
fn helps() -> impl Iterator<Item = &'static str> {
    [""].into_iter().chain(COMMANDS)
}

fn help(command: &str, folder: &Path) -> String {
    let words = [command, "--help"].into_iter().filter(|word| !word.is_empty());
    Program::new(&bias::file(), folder, words).run().done()
}

/// A call of `bias` with one of its subcommands, which is named.
fn call(own: &Shown) -> Option<(String, Call)> {
    let call = own.call().filter(|call| call.name == "bias")?;
    let command = call.args.split(' ').next().filter(|word| COMMANDS.contains(word))?.to_owned();
    Some((command, call))
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
    let mut commands = BTreeSet::new();
    for own in shown() {
        // A subcommand with an argument is no program by itself.
        let first = own.line.split(' ').next().unwrap();
        assert!(
            !COMMANDS.contains(&first) || !own.line.contains(" -"),
            "{}: `{}`",
            own.place,
            own.line
        );
        let Some((command, call)) = call(&own) else {
            let bias = own.call().filter(|call| call.name == "bias" && !call.args.is_empty());
            let general =
                |call: &Call| ["-", "COMMAND", "…"].iter().any(|own| call.args.starts_with(own));
            assert!(bias.as_ref().is_none_or(general), "{}: `{}`", own.place, own.line);
            continue;
        };
        let args = filled(&call.args, ".", "a").replace("\"$SLURM_ARRAY_TASK_ID/8\"", "0/8");
        let args = format!("{args} --help");
        let ran = Program::new(&bias::file(), folder.path(), args.split_whitespace()).run();
        // What is well said for all that: a device that this build does not have, a flag that is
        // mentioned alone, a folder that the command before makes.
        let known = ["build with --features", "a value is required", "`pruned` is not a folder"];
        let known = known.iter().any(|own| ran.err.contains(own));
        assert!(ran.code == Some(0) || known, "{}: `{}`\n{}", own.place, own.line, ran.err);
        commands.insert(command);
    }
    let seen: Vec<&str> = commands.iter().map(String::as_str).collect();
    for name in COMMANDS {
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
            let package = || match words.iter().position(|word| *word == "-p") {
                Some(at) => words[at + 1],
                None if words.contains(&"--example") => "bias-examples",
                None => "bias-cli",
            };
            let folder = match package() {
                "bias-examples" => repository("examples"),
                "bias-benches" => repository("benches"),
                "bias-fixtures" => repository("fixtures/make"),
                "bias-parity" => repository("fixtures/parity"),
                own => repository("crates").join(own),
            };
            let manifest = || fs::read_to_string(folder.join("Cargo.toml")).unwrap();
            match *flag {
                "-p" => assert!(folder.join("Cargo.toml").exists(), "{place}"),
                "--example" if *value != "NAME" => {
                    assert!(manifest().contains(&format!("name = \"{value}\"")), "{place}");
                }
                "--path" => assert!(repository(value).join("Cargo.toml").exists(), "{place}"),
                "--bin" => {
                    let named = manifest().contains(&format!("name = \"{value}\""));
                    assert!(
                        named || folder.join(format!("src/bin/{value}.rs")).exists(),
                        "{place}"
                    );
                }
                "--test" => {
                    let [file, page] = ["", "/main"].map(|page| format!("tests/{value}{page}.rs"));
                    assert!(folder.join(file).exists() || folder.join(page).exists(), "{place}");
                }
                "--features" => {
                    for feature in value.split(',') {
                        assert!(
                            manifest()
                                .lines()
                                .any(|line| line.starts_with(&format!("{feature} = "))),
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

/// Flags of cargo, and of the programs of other packages, whose own tests look at them.
const OTHERS: [&str; 8] = [
    "--release",
    "--example",
    "--workspace",
    "--features",
    "--bin",
    "--test",
    "--nocapture",
    "--path",
];

/// A flag that is mentioned anywhere belongs to some subcommand.
#[test]
fn every_flag_that_is_mentioned_exists() {
    let folder = tempfile::tempdir().unwrap();
    let mut known: BTreeSet<String> = OTHERS.map(str::to_owned).into();
    for name in helps() {
        known.extend(flags(&help(name, folder.path())));
    }
    // Whose tests look at them: benches, and fixtures/make.
    let others =
        ["docs/performance.md", "emergent/README.md", "kinds/README.md", "planted/README.md"];
    let pages = pages().into_iter().filter(|page| !others.iter().any(|own| page.ends_with(own)));
    let another =
        |own: &Shown| own.call().is_some_and(|call| call.kind.is_some() && call.name != "bias");
    for own in pages.flat_map(|page| in_page(&page)).filter(|own| !another(own)) {
        for flag in own.flags() {
            assert!(known.contains(flag), "{}: `{}`", own.place, own.line);
        }
    }
}

/// A command that takes minutes: it is read above, and runs in short in `commands.rs`.
const LONG: &str = "benchmark";

/// The shell's line for a call: commands that read prompts get the few ones if none are named, and
/// a study and a protocol the small model, and are quick.
fn line(command: &str, call: &Call, mask: &str) -> String {
    let mut line = format!("bias {}", filled(&call.args, "\"$TOP\"", mask));
    let studies = command == "study" && !line.contains("--compare");
    let dials = command == "generalize" && !line.contains("--render");
    let asks = studies || dials || ["attribute", "audit"].contains(&command);
    let asks = asks && !line.contains("--answers");
    let more = [
        (asks, "--prompts", "\"$TOP\"/my.csv"),
        (studies || dials, "--model", "\"$TOP\"/model"),
        (studies, "--quick", ""),
        (dials, "--methods", "signed-gap"),
        (dials, "--levels", "0.05"),
        (dials, "--probes", "1"),
        (dials, "--formats", "none"),
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
    let built = bias::file().parent().unwrap().to_owned();
    let paths = std::env::join_paths([built, "/usr/bin".into(), "/bin".into()]).unwrap();
    let sh = Program::new(Path::new("/bin/sh"), folder, ["-c", line]);
    sh.env("PATH", paths).env("TOP", top).run().done()
}

/// From the audit to the pruned copy, as it is written.
#[test]
fn the_guide_can_be_followed() {
    let folder = small(4);
    let path = folder.path();
    let mut done = Vec::new();
    for own in in_page(&repository("docs/guide.md")) {
        let Some((command, call)) = call(&own).filter(|(command, _)| command != LONG) else {
            continue;
        };
        // In the middle of a sentence it may be a part of a command.
        if own.within {
            continue;
        }
        let masks = fs::read_dir(path.join("study-out/masks")).into_iter().flatten();
        let mask = masks
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .min()
            .unwrap_or_default();
        let line = line(&command, &call, &mask);
        if line.contains("$SLURM_ARRAY_TASK_ID") {
            // What an array of jobs counts.
            for task in 0..8 {
                shell(path, path, &format!("export SLURM_ARRAY_TASK_ID={task}; {line}"));
            }
        } else {
            shell(path, path, &line);
        }
        done.push(command);
    }
    let expected = ["audit", "study", "verify", "attribute", "prune", "compare"];
    assert!(expected.iter().all(|name| done.iter().any(|own| own == name)), "{done:?}");
    assert!(path.join("pruned/pruned.json").exists() && path.join("mask.safetensors").exists());
    assert!(path.join("table.md").exists() && path.join("table.csv").exists());
}

/// What must be there before a command of a help text can run, as its reader has it.
fn prepare(folder: &Path, top: &Path, line: &str) {
    let study = folder.join("study-out");
    let asked = format!("--model {0}/model --prompts {0}/my.csv", top.display());
    if (line.starts_with("bias verify ") || line.ends_with(" study-out")) && !study.exists() {
        run("study", folder, &format!("--quick {asked}")).done();
    }
    for (seed, file) in ["before.csv", "after.csv"].into_iter().enumerate() {
        if line.starts_with("bias compare ") && !folder.join(file).exists() {
            let args = format!("{asked} --samples 3 --seed {seed} --save-answers {file}");
            run("audit", folder, &args).done();
        }
    }
    if line.contains("--compare") {
        for other in ["a", "b"] {
            fs::create_dir(folder.join(other)).unwrap();
            fs::copy(study.join("results.json"), folder.join(other).join("results.json")).unwrap();
        }
    } else if line.starts_with("bias study ") && !line.contains("--out") {
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
    for name in helps() {
        let folder = top.join(format!("for-{name}"));
        fs::create_dir(&folder).unwrap();
        for own in in_help(name, &help(name, &folder), "bias") {
            let (command, mut call) = call(&own).unwrap();
            if let Some((_, file)) = own.line.split_once(" > ") {
                call.args += &format!(" > {file}");
            }
            let line = line(&command, &call, "");
            // The first of three parts stands for all.
            let parts = if line.contains("--shard 0/3") { 3 } else { 1 };
            for part in 0..parts {
                let line = line
                    .replace("0/3", &format!("{part}/3"))
                    .replace("part0 ", &format!("part{part} "));
                prepare(&folder, top, &line);
                shell(&folder, top, &line);
            }
            done.insert(name);
        }
    }
    let expected = [
        "",
        "capture",
        "compare",
        "completions",
        "frameworks",
        "generalize",
        "man",
        "prune",
        "study",
        "verify",
    ];
    assert!(done.into_iter().eq(expected));
}
