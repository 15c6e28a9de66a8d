//! Every example runs, on the shipped model if it is given none, and on one that it is given.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../crates/bias-cli/tests/all/program/mod.rs"]
mod program;

use std::fs;
use std::path::{Path, PathBuf};

use program::{Program, repository, small};

/// The file of an example, which `cargo test` builds, but not when it is told which tests to run.
fn example(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let file = own
        .ancestors()
        .nth(2)
        .unwrap()
        .join(format!("examples/{name}{}", std::env::consts::EXE_SUFFIX));
    let changed = |file: &Path| fs::metadata(file).and_then(|own| own.modified()).ok();
    let source = repository("examples").join(format!("{name}.rs"));
    let current = changed(&file).is_some() && changed(&file) >= changed(&source);
    assert!(
        current,
        "{} is not built, or older than its source; run cargo build -p bias-examples --examples",
        file.display()
    );
    file
}

/// Runs an example in a folder; arguments are split at spaces.
fn run(name: &str, folder: &Path, args: &str) -> String {
    Program::new(&example(name), folder, args.split_whitespace()).run().done()
}

/// Examples, and what they say on the shipped model.
const EXAMPLES: [(&str, &[&str]); 7] = [
    ("attribute", &["weights of model.layers."]),
    ("audit", &["standardized mean difference: +"]),
    ("capture", &["model.layers.1.self_attn.pattern", "without the MLP of layer 1"]),
    ("custom_attribution", &["weights pruned, attributed on commercial", "housing"]),
    ("custom_model", &["keeps the promises", "weights matter to the second name"]),
    ("prune", &["pruned: ", "the answers are as before"]),
    ("study", &[]),
];

#[test]
fn every_example_runs_on_the_shipped_model() {
    let folder = tempfile::tempdir().unwrap();
    // A study takes a minute.
    for (name, words) in EXAMPLES.into_iter().filter(|(name, _)| *name != "study") {
        let said = run(name, folder.path(), "");
        assert!(words.iter().all(|word| said.contains(word)), "{name}: {said}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn every_example_runs_on_a_model_of_ones_own() {
    let folder = small(2);
    for (name, _) in EXAMPLES {
        let out = match name {
            "attribute" => "mask.safetensors",
            "prune" => "pruned",
            "study" => "study",
            _ => "",
        };
        let said = run(name, folder.path(), &format!("model {out}"));
        assert!(
            !said.is_empty() && (out.is_empty() || folder.path().join(out).exists()),
            "{name}: {said}"
        );
    }
    for file in ["pruned/pruned.json", "study/results.json", "study/report.html", "study/masks"] {
        assert!(folder.path().join(file).exists(), "{file}");
    }
}

/// The list above is that of the manifest and of the README, each is short, and needs nothing but
/// libraries.
#[test]
fn examples_are_listed_and_fit_a_screen() {
    let manifest = fs::read_to_string(repository("examples/Cargo.toml")).unwrap();
    let page = fs::read_to_string(repository("examples/README.md")).unwrap();
    let mut found: Vec<&str> =
        manifest.split("[[example]]").skip(1).map(|own| own.split('"').nth(1).unwrap()).collect();
    found.sort_unstable();
    assert!(found.iter().copied().eq(EXAMPLES.map(|(name, _)| name)));
    for name in found {
        assert!(page.contains(&format!("`{name}`")), "README: {name}");
        let text = fs::read_to_string(repository("examples").join(format!("{name}.rs"))).unwrap();
        // A model of one's own is a screen by itself.
        let limit = if name == "custom_model" { 125 } else { 75 };
        assert!(text.lines().count() <= limit && !text.contains("bias_cli"), "{name}");
    }
}

/// What the traits ask of a model of one's own is little, and stays little.
#[test]
fn a_model_from_outside_takes_sixty_lines() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("outside/src/model.rs");
    let text = std::fs::read_to_string(file).unwrap();
    let is_code = |line: &&str| !line.is_empty() && !line.starts_with("//");
    let lines = text.lines().map(str::trim).filter(is_code).count();
    assert!((1..=60).contains(&lines), "{lines} lines of code");
}
