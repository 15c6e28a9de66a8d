use std::path::{Path, PathBuf};

use bias_types::ModelDims;
use bias_types::prompt::Context;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::folder::PROVENANCE;
use crate::StudyError;
use crate::hash::{hex, sha256_of_file};
use crate::results::{ModelInfo, Settings};
use crate::save::read;

/// Everything that decides the numbers of a study. Two studies with the same provenance find the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// [`Provenance::FORMAT`].
    pub format: String,
    /// What computed it.
    pub program: Program,
    /// The model's name, fingerprint and sizes.
    pub model: Audited,
    /// How the model was run.
    pub run: Run,
    /// SHA-256 of the file that prompts were read from.
    pub prompts: String,
    /// SHA-256 over everybody asked and every token of every question: it covers tokenizer, chat
    /// template, system message, and who was left out.
    pub questions: String,
    /// SHA-256 over the neutral text.
    pub neutral: String,
    /// The settings.
    pub settings: Settings,
    /// The two contexts of the named experiments.
    pub focus: [Context; 2],
}

/// Whoever was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Audited {
    /// What it is called.
    pub name: String,
    /// SHA-256 over its weight files; empty where there are none.
    pub fingerprint: String,
    /// Its sizes, of a model that can be looked into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dims: Option<ModelDims>,
}

impl Audited {
    /// What results say of it.
    pub(crate) fn info(&self) -> Result<ModelInfo, StudyError> {
        let dims = self.dims.ok_or(StudyError::NoSizes)?;
        Ok(ModelInfo { name: self.name.clone(), fingerprint: self.fingerprint.clone(), dims })
    }
}

/// How a model was run, beside its weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// SHA-256 over its configuration.
    pub config: String,
    /// What its tokenizer is recognised by: SHA-256 of its file.
    pub tokenizer: String,
    /// The type that weights were held in.
    pub weights: String,
    /// Tokens that end an answer.
    pub stop: Vec<u32>,
    /// Prompts that ran together: sums round otherwise in other batches.
    pub batch_rows: usize,
}

/// The program that computed a study.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Version of this crate.
    pub version: String,
    /// SHA-256 of the executable, where the system tells which it is.
    pub executable: Option<String>,
    /// What tensors were computed with.
    pub backend: String,
}

impl Program {
    pub(crate) fn this(backend: String) -> Self {
        // Tens of megabytes: hashed once.
        static EXECUTABLE: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
        let executable = EXECUTABLE.get_or_init(|| sha256_of_file(&executable_file()?).ok()).clone();
        Self { version: env!("CARGO_PKG_VERSION").into(), executable, backend }
    }
}

/// The running executable. Linux keeps it open even if its file was replaced since.
fn executable_file() -> Option<PathBuf> {
    let own = PathBuf::from("/proc/self/exe");
    if own.exists() { Some(own) } else { std::env::current_exe().ok() }
}

impl Provenance {
    /// The format this version writes.
    pub const FORMAT: &str = "bias-provenance/1";

    /// That of the study in this folder.
    ///
    /// # Errors
    /// [`StudyError::Read`] where there is none, or one of another version.
    pub fn of(folder: &Path) -> Result<Self, StudyError> {
        Self::load(&folder.join(PROVENANCE))
    }

    /// SHA-256 over all of it: the name of the study.
    #[must_use]
    pub fn id(&self) -> String {
        hex(&Sha256::digest(self.to_json()))
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        // Nothing in it could fail to be written.
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    pub(crate) fn load(path: &Path) -> Result<Self, StudyError> {
        read(path, Self::FORMAT, |own: &Self| &own.format)
    }

    /// Whether the folder of this study is that of another.
    pub(crate) fn check(&self, other: &Self, folder: &Path) -> Result<(), StudyError> {
        let what = [
            (self.program != other.program, "program (version, executable or backend)"),
            (self.model != other.model, "model"),
            (
                self.run != other.run,
                "way the model is run (configuration, tokenizer, type of weights, batches)",
            ),
            (self.prompts != other.prompts, "prompt file"),
            (
                self.questions != other.questions,
                "questions (names, tokenizer, chat template or system message)",
            ),
            (self.neutral != other.neutral, "neutral text"),
            (self.settings != other.settings, "settings"),
            (self.focus != other.focus, "focus"),
        ];
        let differ: Vec<&str> =
            what.into_iter().filter(|(differ, _)| *differ).map(|(_, what)| what).collect();
        if differ.is_empty() {
            return Ok(());
        }
        Err(StudyError::OtherStudy { folder: folder.into(), differ: differ.join(", ") })
    }
}
