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
    /// Whether it stands within a sentence.
    pub within: bool,
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
                found.extend((!line.is_empty()).then(|| Shown {
                    place,
                    line: line.into(),
                    within: false,
                }));
            }
            Some(_) => {}
            None => {
                let spans = line.split('`').skip(1).step_by(2).filter(|span| !span.is_empty());
                found.extend(spans.map(|span| Shown {
                    place: place.clone(),
                    line: span.into(),
                    within: true,
                }));
            }
        }
    }
    found
}

/// Lines of a help text that begin with the program's name; what follows two spaces or an ellipsis
/// explains them.
pub fn in_help(command: &str, help: &str, program: &str) -> Vec<Shown> {
    let lines = help.lines().filter_map(|line| {
        let line = line.strip_prefix("  ")?.split("  ").next()?;
        let line = line.split(" …").next()?.trim();
        (line.split(' ').next()? == program).then(|| line.to_owned())
    });
    lines.map(|line| Shown { place: format!("{command} --help"), line, within: false }).collect()
}

/// The program that a command runs and its arguments.
#[derive(Debug, PartialEq, Eq)]
pub struct Call {
    /// `example` or `bin` if cargo runs it, nothing where the program is named by itself.
    pub kind: Option<&'static str>,
    /// Its name.
    pub name: String,
    /// The rest of the line, as far as no other program gets it.
    pub args: String,
}

impl Shown {
    /// What is run, if it is a program of this workspace: without a name or a package, `cargo run`
    /// runs `bias`.
    pub fn call(&self) -> Option<Call> {
        // What goes to a file is the shell's concern.
        let line = self.line.split(" > ").next()?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let joined = |words: &[&str]| words.join(" ");
        let ["cargo", "run", flags @ ..] = &words[..] else {
            let (name, args) = words.split_first()?;
            return Some(Call { kind: None, name: (*name).into(), args: joined(args) });
        };
        let named = |flag: &str| flags.iter().position(|word| *word == flag).map(|at| at + 1);
        let rest = || flags.iter().position(|word| *word == "--");
        let (kind, name, at) = match (named("--example"), named("--bin"), named("-p")) {
            (Some(at), None, _) => ("example", *flags.get(at)?, at + 1),
            (None, Some(at), _) => ("bin", *flags.get(at)?, at + 1),
            // The only program of its package.
            (None, None, Some(at)) => ("bin", flags.get(at)?.strip_prefix("bias-")?, rest()?),
            (None, None, None) => ("bin", "bias", rest()?),
            _ => return None,
        };
        // cargo hands on what follows `--`, and a word that is no flag.
        let args = flags[at..].strip_prefix(&["--"]).unwrap_or(&flags[at..]);
        Some(Call { kind: Some(kind), name: name.into(), args: joined(args) })
    }

    /// The flags in it.
    pub fn flags(&self) -> impl Iterator<Item = &str> {
        let words = self.line.split([' ', '[', ']', '(', ')', ',', '=']);
        words.filter(|word| {
            word.strip_prefix("--")
                .is_some_and(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))
        })
    }
}
