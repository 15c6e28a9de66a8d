//! What the workspace depends on: licences and sources that `deny.toml` allows, compilers no newer
//! than ours; and what the published crates ask for can be had by others. The drawing of our own
//! crates in `docs/architecture.md` is what the manifests say.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// What a command says.
fn said(program: &str, arguments: &[&str]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(program).args(arguments).current_dir(root).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// All packages of the workspace's graph, with every feature, on this machine's platform.
fn packages() -> Vec<Value> {
    let version = said("rustc", &["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let options =
        ["--format-version", "1", "--locked", "--all-features", "--filter-platform", host];
    let found = said(env!("CARGO"), &[&["metadata"], &options[..]].concat());
    let found: Value = serde_json::from_str(&found).unwrap();
    found["packages"].as_array().unwrap().clone()
}

/// The text of a field, empty where there is none.
fn field<'a>(package: &'a Value, name: &str) -> &'a str {
    package[name].as_str().unwrap_or_default()
}

/// What stands in `allow` under `[licenses]`.
fn allowed() -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deny.toml");
    let text = std::fs::read_to_string(file).unwrap();
    let list = text.split("allow = [").nth(1).and_then(|rest| rest.split(']').next()).unwrap();
    list.split('"').skip(1).step_by(2).map(ToOwned::to_owned).collect()
}

/// Whether an SPDX expression can be met; `and` binds more tightly than `or`, older manifests write
/// `/` for `or`.
fn met(expression: &str, allowed: &[String]) -> bool {
    fn any(words: &mut Vec<&str>, allowed: &[String]) -> bool {
        let mut found = every(words, allowed);
        while words.pop_if(|word| *word == "OR").is_some() {
            found |= every(words, allowed);
        }
        found
    }
    fn every(words: &mut Vec<&str>, allowed: &[String]) -> bool {
        let mut found = one(words, allowed);
        while words.pop_if(|word| *word == "AND").is_some() {
            found &= one(words, allowed);
        }
        found
    }
    fn one(words: &mut Vec<&str>, allowed: &[String]) -> bool {
        let mut name = words.pop().unwrap_or_default().to_owned();
        if name == "(" {
            let found = any(words, allowed);
            words.pop();
            return found;
        }
        if words.pop_if(|word| *word == "WITH").is_some() {
            name = format!("{name} WITH {}", words.pop().unwrap_or_default());
        }
        allowed.contains(&name)
    }
    let text = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words: Vec<&str> = text.split_whitespace().rev().collect();
    any(&mut words, allowed) && words.is_empty()
}

#[test]
fn expressions_are_met_by_what_is_allowed() {
    let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned);
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("GPL-3.0 AND MIT", false),
        ("(MIT OR GPL-3.0) AND ISC", true),
        ("MIT OR GPL-3.0 AND ISC", true),
        ("(MIT OR ISC) AND GPL-3.0", false),
        ("Apache-2.0 WITH LLVM-exception OR GPL-3.0", true),
        ("Apache-2.0", false),
        ("", false),
    ] {
        assert_eq!(met(expression, &allowed), expected, "{expression}");
    }
}

#[test]
fn licences_sources_and_compilers_are_allowed() {
    const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";
    let version = |text: &str| text.split('.').filter_map(|n| n.parse().ok()).collect::<Vec<u32>>();
    let (packages, allowed) = (packages(), allowed());
    let own = packages.iter().find(|own| field(own, "name") == "bias-types").unwrap();
    let newest = version(field(own, "rust_version"));
    let mut refused = Vec::new();
    for package in packages.iter().filter(|own| !own["source"].is_null()) {
        let name = format!("{} {}", field(package, "name"), field(package, "version"));
        if !met(field(package, "license"), &allowed) {
            refused.push(format!("{name}: licence {}", package["license"]));
        }
        if field(package, "source") != REGISTRY {
            refused.push(format!("{name}: from {}", package["source"]));
        }
        if version(field(package, "rust_version")) > newest {
            refused.push(format!("{name}: needs Rust {}", package["rust_version"]));
        }
    }
    assert!(packages.len() > 300 && refused.is_empty(), "{}", refused.join("\n"));
}

/// A requirement of one version alone cannot be met beside another crate's.
#[test]
fn published_crates_leave_others_a_choice() {
    let mut published = 0;
    for package in
        packages().iter().filter(|own| own["source"].is_null() && own["publish"].is_null())
    {
        let name = field(package, "name");
        for given in ["description", "license", "readme"] {
            assert!(!field(package, given).is_empty(), "{name} has no {given}");
        }
        for dependency in package["dependencies"].as_array().unwrap() {
            let (on, asked) = (field(dependency, "name"), field(dependency, "req"));
            assert!(!asked.starts_with('='), "{name} asks for {on} {asked}");
            // Without a version it is left out when the crate is published: only tests may need it.
            assert!(asked != "*" || field(dependency, "kind") == "dev", "{name} asks for any {on}");
        }
        published += 1;
    }
    assert!(published >= 8, "{published} crates");
}

/// The crates that each of ours depends on, by the manifests.
fn own_dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let ours = |name: &str| name.starts_with("bias-");
    let packages = packages();
    let published =
        packages.iter().filter(|own| own["source"].is_null() && own["publish"].is_null());
    let of = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap().iter();
        let kept = all.filter(|own| own["kind"].is_null() && ours(field(own, "name")));
        kept.map(|own| field(own, "name").to_owned()).collect()
    };
    published.map(|package| (field(package, "name").to_owned(), of(package))).collect()
}

#[test]
fn the_drawing_of_crates_is_what_the_manifests_say() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/architecture.md");
    let page = std::fs::read_to_string(file).unwrap();
    let drawing =
        page.split("```mermaid").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let mut drawn = BTreeMap::<&str, BTreeSet<&str>>::new();
    for (from, to) in drawing.lines().filter_map(|line| line.trim().split_once(" --> ")) {
        drawn.entry(from).or_default().insert(to);
    }
    let dependencies = own_dependencies();
    // What a crate reaches by arrows.
    let reached = |from: &str| {
        let (mut found, mut left) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(next) = left.pop() {
            for to in drawn.get(next.as_str()).into_iter().flatten() {
                if found.insert((*to).to_owned()) {
                    left.push((*to).to_owned());
                }
            }
        }
        found
    };
    for (name, needed) in &dependencies {
        let found = reached(name);
        for to in needed {
            assert!(found.contains(to), "no arrows lead from {name} to {to}");
        }
    }
    for (from, tos) in &drawn {
        for to in tos {
            assert!(dependencies[*from].contains(*to), "{from} does not depend on {to}");
        }
    }
}
