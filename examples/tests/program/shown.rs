//! The commands that pages and help texts show.

use std::fs;
use std::path::{Path, PathBuf};

use super::repository;

/// A command, or a part of one, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Page or program, and line.
    pub place: String,
    /// What is shown, without a comment.
    pub line: String,
}

/// Every page of the repository, but for those that are written in Python's words.
pub fn pages() -> Vec<PathBuf> {
    let mut pages = vec![repository("README.md")];
    for folder in ["docs", "fixtures", "crates"] {
        for entry in fs::read_dir(repository(folder)).unwrap() {
            let path = entry.unwrap().path();
            let page = if path.is_dir() { path.join("README.md") } else { path };
            if page.exists() && page.extension().is_some_and(|own| own == "md") {
                pages.push(page);
            }
        }
    }
    pages.sort();
    pages
}

/// Lines of shell blocks and spans of code in a Markdown page.
pub fn in_page(page: &Path) -> Vec<Shown> {
    let text = fs::read_to_string(page).unwrap();
    let name = page.strip_prefix(repository("")).unwrap().display().to_string();
    let (mut found, mut fence) = (Vec::new(), None);
    for (number, line) in text.lines().enumerate() {
        let place = format!("{name}:{}", number + 1);
        if let Some(info) = line.trim_start().strip_prefix("```") {
            fence = if fence.is_none() { Some(info.to_owned()) } else { None };
            continue;
        }
        match fence.as_deref() {
            Some("sh" | "bash" | "console") => {
                let line = line.split(" #").next().unwrap_or_default().trim();
                found.extend((!line.is_empty()).then(|| Shown { place, line: line.into() }));
            }
            Some(_) => {}
            None => {
                let spans = line.split('`').skip(1).step_by(2).filter(|span| !span.is_empty());
                found.extend(spans.map(|span| Shown { place: place.clone(), line: span.into() }));
            }
        }
    }
    found
}

/// Lines of a help text that begin with the name of a program; what follows two spaces or an ellipsis explains them.
pub fn in_help(name: &str, help: &str, programs: &[&str]) -> Vec<Shown> {
    let lines = help.lines().filter_map(|line| {
        let line = line.strip_prefix("  ")?.split("  ").next()?;
        let line = line.split(" …").next()?.trim();
        programs.contains(&line.split(' ').next()?).then(|| line.to_owned())
    });
    lines.map(|line| Shown { place: format!("{name} --help"), line }).collect()
}

/// The name of the program that a command runs, its kind (`example` or `bin`) if cargo is told, and its arguments.
#[derive(Debug, PartialEq, Eq)]
pub struct Call {
    /// `example`, `bin`, or nothing where the program is named by itself.
    pub kind: Option<&'static str>,
    /// Its name.
    pub name: String,
    /// Features that cargo is told to build it with.
    pub features: Vec<String>,
    /// The rest of the line.
    pub args: String,
}

impl Shown {
    /// What is run, if it is a program of this workspace.
    pub fn call(&self) -> Option<Call> {
        let words: Vec<&str> = self.line.split_whitespace().collect();
        if !matches!(words[..], ["cargo", "run", ..]) {
            let (name, args) = self.line.split_once(' ').unwrap_or((&self.line, ""));
            return Some(Call { kind: None, name: name.into(), features: Vec::new(), args: args.into() });
        }
        let after = |flag: &str| {
            let at = words.iter().position(|word| *word == flag)?;
            words.get(at + 1).map(|word| (*word).to_owned())
        };
        let (kind, name) = match (after("--example"), after("--bin")) {
            (Some(name), None) => ("example", name),
            (None, Some(name)) => ("bin", name),
            _ => return None,
        };
        // cargo hands on what follows `--`, and a word that is no flag.
        let at = words.iter().position(|word| *word == name)? + 1;
        let rest = words[at..].iter().skip(usize::from(words.get(at) == Some(&"--")));
        let args = rest.copied().collect::<Vec<_>>().join(" ");
        let features =
            after("--features").map_or(Vec::new(), |all| all.split(',').map(str::to_owned).collect());
        Some(Call { kind: Some(kind), name, features, args })
    }

    /// The flags in it.
    pub fn flags(&self) -> impl Iterator<Item = &str> {
        let words = self.line.split([' ', '[', ']', '(', ')', ',', '=']);
        words.filter(|word| {
            word.strip_prefix("--").is_some_and(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))
        })
    }
}
