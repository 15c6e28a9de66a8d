use std::collections::BTreeMap;
use std::path::Path;

use bias_mask::MaskTarget;
use bias_types::Unit;
use bias_types::prompt::Context;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use crate::StudyError;
use crate::save::read;

/// The units that carry a model's bias, known because they were planted: one set that all contexts
/// share, and one set per context.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Truth {
    /// [`Truth::FORMAT`].
    pub format: String,
    /// Fingerprint of the model that this is true of ([`Weights::fingerprint`](bias_probe::Weights::fingerprint)).
    pub model: String,
    /// The share of each context's bias that the shared set was trained to carry.
    pub shared_fraction: f64,
    /// Units that every context uses.
    pub shared: Vec<Unit>,
    /// The units of each single context.
    pub contexts: BTreeMap<Context, Vec<Unit>>,
}

impl Truth {
    /// The format that this version reads and writes.
    pub const FORMAT: &str = "bias-truth/1";

    /// Reads a truth file.
    ///
    /// # Errors
    /// [`StudyError::Read`] for a file that is missing, damaged or of another version.
    pub fn load(path: &Path) -> Result<Self, StudyError> {
        read(path, Self::FORMAT, |own: &Self| &own.format)
    }

    /// Checks that this is the truth about a model.
    ///
    /// # Errors
    /// [`StudyError::Truth`] for another model; [`StudyError::NoFingerprint`] for a model that did
    /// not come from files, because then nothing identifies it.
    pub fn check<B: Backend>(&self, model: &impl MaskTarget<B>) -> Result<(), StudyError> {
        let own = model.fingerprint()?.ok_or(StudyError::NoFingerprint { what: "a truth" })?;
        if own != self.model {
            return Err(StudyError::Truth { said_of: self.model.clone(), model: own.into() });
        }
        Ok(())
    }

    /// The units that carry one context's bias: the shared set and its own.
    #[must_use]
    pub fn of(&self, context: &Context) -> Vec<Unit> {
        let own = self.contexts.get(context).map(Vec::as_slice).unwrap_or_default();
        self.shared.iter().chain(own).cloned().collect()
    }

    /// Every planted unit.
    #[must_use]
    pub fn all(&self) -> Vec<Unit> {
        self.shared.iter().chain(self.contexts.values().flatten()).cloned().collect()
    }
}
