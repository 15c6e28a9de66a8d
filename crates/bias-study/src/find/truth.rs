use std::collections::BTreeMap;
use std::path::Path;

use bias_mask::MaskTarget;
use bias_types::Unit;
use bias_types::prompt::Context;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use crate::StudyError;
use crate::save::read;

/// Which units of a model carry its bias, known because they were planted: one set that all
/// contexts share, and one for each context.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Truth {
    /// [`Truth::FORMAT`].
    pub format: String,
    /// Fingerprint of the model that this is true of ([`Weights::fingerprint`](bias_probe::Weights::fingerprint)).
    pub model: String,
    /// Share of each context's bias that the shared set was taught.
    pub shared_fraction: f64,
    /// Units that every context uses.
    pub shared: Vec<Unit>,
    /// Units of each context's own.
    pub contexts: BTreeMap<Context, Vec<Unit>>,
}

impl Truth {
    /// The format this version writes and reads.
    pub const FORMAT: &str = "bias-truth/1";

    /// Reads a truth file.
    ///
    /// # Errors
    /// [`StudyError::Read`] for a file that is missing, damaged or of another version.
    pub fn load(path: &Path) -> Result<Self, StudyError> {
        read(path, Self::FORMAT, |own: &Self| &own.format)
    }

    /// Whether this is said of this model.
    ///
    /// # Errors
    /// [`StudyError::Truth`] for another's; [`StudyError::NoFingerprint`] for a model that did not
    /// come from files, so that nothing says whether it is this one.
    pub fn check<B: Backend>(&self, model: &impl MaskTarget<B>) -> Result<(), StudyError> {
        let own = model.fingerprint()?.ok_or(StudyError::NoFingerprint { what: "a truth" })?;
        if own != self.model {
            return Err(StudyError::Truth { said_of: self.model.clone(), model: own.into() });
        }
        Ok(())
    }

    /// What carries one context's bias: the shared set and its own.
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
