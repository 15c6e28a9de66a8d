use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::StudyError;
use crate::save::write;

/// Where the time of one run went. Apart from the results, which are the same whenever and wherever
/// they are computed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Its steps; of a study that was stopped, those since.
    pub phases: Vec<Phase>,
    /// Most memory held at once, where the system tells.
    pub peak_memory_bytes: Option<u64>,
    /// SHA-256 of the executable that ran last, where the system tells which it is. Any build of
    /// the same version goes on with a study.
    #[serde(default)]
    pub executable: Option<String>,
}

/// One step of a study and how long it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Which step.
    pub name: String,
    /// Wall-clock seconds.
    pub seconds: f64,
}

impl Timing {
    /// All steps together, in seconds.
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
