use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::contrast::prompt_case::Contrast;
use crate::error::AttribError;

/// Where scores or statistics come from. Kept in their files.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ScoreProvenance {
    /// The method's [name](crate::Attribution::name).
    pub method: String,
    /// SHA-256 of the model's weights, if known.
    pub model: Option<String>,
    /// How many prompts about A and about B.
    pub prompts: [u64; 2],
    /// Whatever else should be known (context, prompt set, …).
    #[serde(default)]
    pub notes: BTreeMap<String, String>,
}

impl ScoreProvenance {
    /// Of what a method gave for these prompts.
    #[must_use]
    pub fn new(method: &str, contrast: &Contrast) -> Self {
        let prompts = [contrast.a.len() as u64, contrast.b.len() as u64];
        Self { method: method.into(), prompts, ..Self::default() }
    }

    /// Ties it to a model's weights.
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

    /// Refuses what a file at `path` holds if it is not of the weights asked for, or does not say
    /// of which. `None` asks for any.
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
