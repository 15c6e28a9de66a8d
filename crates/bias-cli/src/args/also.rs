//! What is measured beside the comparison of two groups.

use std::path::{Path, PathBuf};

use bias_frameworks::{Framework, ItemSet, read};
use bias_study::PromptSet;
use bias_study::results::Attribute;
use clap::Args;

use crate::failure::Failure;

/// More attributes by which people are told apart.
#[derive(Debug, Clone, Args)]
pub struct ByArgs {
    /// Also compare all groups of this attribute, pair by pair and together (Cohen's f): `religion`
    /// (the column of that name) or any form that --attribute takes. `race+gender` joins several;
    /// their groups are called `white+women`. May be given several times. Without --attribute and
    /// --groups, the two sides are the first group of the first of these, and the rest
    #[arg(long, value_name = "ATTRIBUTE", value_parser = attribute)]
    pub by: Vec<Attribute>,
}

/// An attribute, as written on the command line.
///
/// # Errors
/// Any other text; the message is for a command line.
pub fn attribute(text: &str) -> Result<Attribute, String> {
    text.parse()
}

/// Whether a model still knows which group a name belongs to.
#[derive(Debug, Clone, Args)]
pub struct NameArgs {
    /// What a group is called in questions about names, such as `black=Black`. May be given several
    /// times, or with commas between. Other groups are called as the prompt file names them
    #[arg(long, value_name = "GROUP=WORDS", value_delimiter = ',', value_parser = called)]
    pub group_words: Vec<(String, String)>,
    /// The beginning of a question about a name, with `{name}` in it; the words of the groups may
    /// follow, as in `Most people with the name {name} are`. May be given several times
    #[arg(long, value_name = "TEXT")]
    pub name_template: Vec<String>,
}

fn called(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((group, words)) if !group.is_empty() && !words.trim().is_empty() => {
            Ok((group.into(), words.into()))
        }
        _ => Err("expected GROUP=WORDS, as in `black=Black`".into()),
    }
}

/// Benchmarks and capabilities, before and after every mask.
#[derive(Debug, Clone, Args)]
pub struct AlsoArgs {
    /// Also score this file before and after every mask: a published benchmark or a capability
    /// task, named as the flags of `bias frameworks` name them, such as `bbq=Age.jsonl`,
    /// `crows=pairs.csv` or `tasks=my.jsonl`. May be given several times
    #[arg(long, value_name = "NAME=FILE", value_parser = named)]
    pub also: Vec<(Framework, PathBuf)>,
    /// Also measure before and after every mask whether the model knows which group a name belongs
    /// to. A mask that makes it blind to names makes nothing fair
    #[arg(long)]
    pub recognition: bool,
    #[command(flatten)]
    names: NameArgs,
}

fn named(text: &str) -> Result<(Framework, PathBuf), String> {
    let known = Framework::ALL.map(Framework::key).join(", ");
    let (name, file) = text
        .split_once('=')
        .ok_or_else(|| format!("expected NAME=FILE, such as bbq=Age.jsonl; names are {known}"))?;
    let framework = Framework::of_key(name)
        .ok_or_else(|| format!("there is no framework `{name}`; names are {known}"))?;
    if file.is_empty() {
        return Err(format!("expected a file behind `{name}=`"));
    }
    Ok((framework, file.into()))
}

impl AlsoArgs {
    /// The items of all files, those of one framework together, and the questions about names.
    ///
    /// # Errors
    /// Files that cannot be read; questions that cannot be made; arguments about names without
    /// questions about them.
    pub fn read(&self, prompts: &PromptSet) -> Result<Vec<ItemSet>, Failure> {
        let NameArgs { group_words, name_template } = &self.names;
        let about_names = !group_words.is_empty() || !name_template.is_empty();
        if about_names && !self.recognition {
            return Err("--group-words, --name-template: they are for --recognition".into());
        }
        let mut sets = Vec::new();
        for framework in Framework::ALL {
            let files = self.also.iter().filter(|own| own.0 == framework);
            let files: Vec<&Path> = files.map(|own| own.1.as_path()).collect();
            if !files.is_empty() {
                sets.push(read(framework, &files)?);
            }
        }
        if self.recognition {
            let set = prompts.name_questions(group_words, name_template);
            sets.push(set.map_err(|error| format!("--recognition, --group-words: {error}"))?);
        }
        Ok(sets)
    }
}
