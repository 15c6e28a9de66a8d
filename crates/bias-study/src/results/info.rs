use std::collections::BTreeMap;
use std::path::Path;

use bias_types::ModelDims;
use bias_types::prompt::Context;
use serde::{Deserialize, Serialize};

use super::attribute::Attribute;
use super::both_sides::OnBothSides;
use super::form::Form;
use crate::StudyError;

/// The model studied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// The name of its folder.
    pub name: String,
    /// SHA-256 over its weight files; empty for a model without files, whose study is kept in
    /// memory only.
    pub fingerprint: String,
    /// Its sizes.
    pub dims: ModelDims,
}

impl ModelInfo {
    /// Refuses impossible sizes, which a file may claim.
    pub(super) fn check_sizes(&self, path: &Path) -> Result<(), StudyError> {
        self.dims
            .validate()
            .map_err(|e| StudyError::Damaged { path: path.into(), reason: e.to_string() })
    }
}

/// The prompts asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PromptInfo {
    /// SHA-256 of the prompt file.
    pub sha256: String,
    /// The attribute by which people are compared.
    pub attribute: Attribute,
    /// Two of its values: the group that a positive difference favours, and the one compared with
    /// it.
    pub groups: [String; 2],
    /// The prompts of each context.
    pub contexts: Vec<ContextInfo>,
    /// What stands on both sides of a held-out split.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_both_sides: Vec<OnBothSides>,
}

/// One context's prompts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContextInfo {
    /// Its name.
    pub context: Context,
    /// Whether a larger answer is better for the person. If not, differences are negated.
    pub higher_is_better: bool,
    /// The variations that attribution sees.
    pub attribution: Vec<String>,
    /// The variations that are held out.
    pub held_out: Vec<String>,
    /// The number of names in each group.
    pub names: [usize; 2],
    /// The number of these names that only tests see; 0 if all names are used for both.
    #[serde(default)]
    pub held_out_names: [usize; 2],
    /// A prompt as the model's user would write it.
    pub example: String,
    /// The form of each variation and its answers.
    #[serde(default)]
    pub forms: BTreeMap<String, Form>,
}
