use std::collections::BTreeMap;

use bias_types::ModelDims;
use bias_types::prompt::Context;
use serde::{Deserialize, Serialize};

use super::attribute::Attribute;
use super::form::Form;

/// The model studied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Name of its folder.
    pub name: String,
    /// SHA-256 over its weight files; empty for a model without such, which is studied in memory
    /// only.
    pub fingerprint: String,
    /// Its sizes.
    pub dims: ModelDims,
}

/// The prompts asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PromptInfo {
    /// SHA-256 of the prompt file.
    pub sha256: String,
    /// What tells the people apart who are compared.
    pub attribute: Attribute,
    /// Two of its values: the group that a positive difference favours, and the one compared with
    /// it.
    pub groups: [String; 2],
    /// Per context, what varies.
    pub contexts: Vec<ContextInfo>,
}

/// One context's prompts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContextInfo {
    /// Its name.
    pub context: Context,
    /// Whether a larger answer is better for the person; if not, differences are turned round.
    pub higher_is_better: bool,
    /// Variations that attribution sees.
    pub attribution: Vec<String>,
    /// Variations it does not see.
    pub held_out: Vec<String>,
    /// Names in each group compared.
    pub names: [usize; 2],
    /// How many of them only tests see; 0 where everybody is attributed and tested on.
    #[serde(default)]
    pub held_out_names: [usize; 2],
    /// A prompt as the model's user would write it.
    pub example: String,
    /// How each variation is put and answered.
    #[serde(default)]
    pub forms: BTreeMap<String, Form>,
}
