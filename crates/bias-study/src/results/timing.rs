use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::StudyError;
use crate::save::write;

/// The time that one run took. It is kept apart from the results, which do not depend on time and
/// place.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Its steps. For a study that was continued, those since then.
    pub phases: Vec<Phase>,
    /// The most memory in use at once, if the system reports it.
    pub peak_memory_bytes: Option<u64>,
    /// SHA-256 of the executable that ran last, if the system reports it. Any build of the same
    /// version can continue a study.
    #[serde(default)]
    pub executable: Option<String>,
}

/// One step of a study and how long it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// The name of the step.
    pub name: String,
    /// Wall-clock seconds.
    pub seconds: f64,
}

impl Timing {
    /// The sum of all steps, in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.phases.iter().map(|phase| phase.seconds).sum()
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    /// [`StudyError::Write`].
    pub fn save(&self, path: &Path) -> Result<(), StudyError> {
        let json = serde_json::to_vec_pretty(self)
            .map_err(|e| StudyError::Write { path: path.into(), source: e.into() })?;
        write(path, &json)
    }
}
