use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::contrast::prompt_case::Contrast;
use crate::error::AttribError;

/// The provenance of scores or statistics. It is kept in their files.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ScoreProvenance {
    /// The method's [name](crate::Attribution::name).
    pub method: String,
    /// SHA-256 of the model's weights, if known.
    pub model: Option<String>,
    /// Numbers of prompts about A and about B.
    pub prompts: [u64; 2],
    /// Further notes (context, prompt set, …).
    #[serde(default)]
    pub notes: BTreeMap<String, String>,
}

impl ScoreProvenance {
    /// The provenance of a method's result for these prompts.
    #[must_use]
    pub fn new(method: &str, contrast: &Contrast) -> Self {
        let prompts = [contrast.a.len() as u64, contrast.b.len() as u64];
        Self { method: method.into(), prompts, ..Self::default() }
    }

    /// Ties the provenance to a model's weights.
    #[must_use]
    pub fn for_model(self, fingerprint: Option<&str>) -> Self {
        Self { model: fingerprint.map(Into::into), ..self }
    }

    /// Adds a note.
    #[must_use]
    pub fn with_note(mut self, key: &str, value: impl ToString) -> Self {
        self.notes.insert(key.into(), value.to_string());
        self
    }

    /// Refuses the content of the file at `path` if it is for other weights than those asked for,
    /// or does not say for which. `None` accepts any.
    pub(crate) fn check(&self, path: &Path, fingerprint: Option<&str>) -> Result<(), AttribError> {
        match (&self.model, fingerprint) {
            (_, None) => Ok(()),
            (None, Some(_)) => Err(AttribError::NoModel { path: path.into() }),
            (Some(expected), Some(found)) if expected == found => Ok(()),
            (Some(expected), Some(found)) => {
                Err(AttribError::OtherModel { expected: expected.clone(), found: found.into() })
            }
        }
    }
}
