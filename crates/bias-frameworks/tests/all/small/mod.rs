//! The fixtures' models and files.
#![allow(dead_code)] // every test file uses a part

use std::path::{Path, PathBuf};

use bias_frameworks::score::Scored;
use bias_frameworks::{Framework, ItemSet, Scorer, read};
use bias_model::{LanguageModel, Tokenize as _};
use burn::backend::Flex;

pub fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

pub fn model(folder: &str) -> LanguageModel<Flex> {
    LanguageModel::load(&fixtures().join(folder), &Default::default()).unwrap()
}

/// The files of a framework in `fixtures/frameworks`.
pub fn own(framework: Framework) -> ItemSet {
    let names: &[&str] = match framework {
        Framework::Crows => &["crows.csv"],
        Framework::Stereoset => &["stereoset.json"],
        Framework::Bbq => &["bbq.jsonl"],
        Framework::Winogender => &["winogender.tsv"],
        Framework::Winobias => &["winobias_pro_type1.txt", "winobias_anti_type1.txt"],
        Framework::DiscrimEval => &["discrim_eval.jsonl"],
        Framework::Hellaswag => &["hellaswag.jsonl"],
        Framework::Arc => &["arc.jsonl"],
        Framework::Mmlu => &["mmlu.jsonl"],
        Framework::Piqa => &["piqa.jsonl"],
        Framework::Boolq => &["boolq.jsonl"],
        Framework::Lambada => &["lambada.jsonl"],
        Framework::Wikitext => &["wikitext.jsonl"],
        Framework::Tasks => &["tasks_embedded.jsonl"],
        other => panic!("{other} has no files"),
    };
    let folder = fixtures().join("frameworks");
    let paths: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).collect();
    read(framework, &paths.iter().map(PathBuf::as_path).collect::<Vec<_>>()).unwrap()
}

pub fn score(model: &LanguageModel<Flex>, set: &ItemSet) -> Scored {
    let prefix = model.text().prefix_token().unwrap().unwrap();
    Scorer::new(model.model(), model.text(), prefix, model.options()).score(set, &|_| {}).unwrap()
}

/// Reads a file with this text.
pub fn reads(
    framework: Framework,
    name: &str,
    text: &str,
) -> Result<ItemSet, bias_frameworks::FrameworkError> {
    let folder = tempfile::tempdir().unwrap();
    let path: &Path = &folder.path().join(name);
    std::fs::write(path, text).unwrap();
    read(framework, &[path])
}
