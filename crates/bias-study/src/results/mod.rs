//! What a study or a benchmark finds, as its files hold it: the schema, and nothing of how it is
//! computed. docs/results-schema.md describes the files.

mod alternative;
mod attribute;
mod baseline;
mod benchmark;
mod budget;
mod estimate;
mod experiment;
mod form;
mod groups;
mod info;
mod masks;
pub(crate) mod method;
mod outcome;
mod plan;
mod settings;
mod significance;
mod split;
mod strategy;
mod timing;

pub use self::alternative::Alternative;
pub(crate) use self::attribute::NAME_GROUP;
pub use self::attribute::{Attribute, AttributeSource};
pub use self::baseline::{Baseline, QUANTILES, VariationBaseline};
pub use self::benchmark::{Benchmark, LeftOut, Located, MATCHED, ORACLE, Tried};
pub use self::budget::{Budget, Share};
pub(crate) use self::budget::{GAP_SHARE, GAP_SHARES, PURSUIT_SHARE, WANDA_SHARE};
pub use self::estimate::Estimate;
pub use self::experiment::Experiment;
pub use self::form::{ChoiceValue, Form, FormText, Kind};
pub use self::groups::{GroupDifferences, GroupPair};
pub use self::info::{ContextInfo, ModelInfo, PromptInfo};
pub use self::masks::{ContextOverlap, Location};
pub use self::outcome::{Outcome, Scope};
pub use self::plan::Plan;
pub use self::settings::Settings;
pub(crate) use self::significance::ALPHA;
pub use self::significance::Significance;
pub use self::split::Split;
pub(crate) use self::strategy::quoted;
pub use self::strategy::{Strategy, TrainedOn};
pub use self::timing::{Phase, Timing};

use std::path::Path;

use bias_types::TypesError;
use bias_types::prompt::Context;
use serde::{Deserialize, Serialize};

use crate::StudyError;
use crate::save::{read, write};

/// The value of `format` in files of this version.
pub const FORMAT: &str = "bias-study/4";

/// Everything a study found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// [`FORMAT`].
    pub format: String,
    /// What was studied.
    pub model: ModelInfo,
    /// What it was asked.
    pub prompts: PromptInfo,
    /// How.
    pub settings: Settings,
    /// The two contexts of the named experiments: attributed on, tested on.
    pub focus: [Context; 2],
    /// What was asked of it.
    pub experiments: Vec<Experiment>,
    /// How much was tried.
    #[serde(default)]
    pub plan: Plan,
    /// The unpruned model, context by context.
    pub baseline: Vec<Baseline>,
    /// Perplexity of the unpruned model on neutral text, when there is such text.
    pub neutral_perplexity: Option<f64>,
    /// Every mask that was tried.
    pub strategies: Vec<Strategy>,
    /// What each mask did where.
    pub outcomes: Vec<Outcome>,
    /// How far the masks of two contexts agree.
    pub overlaps: Vec<ContextOverlap>,
    /// Where masks lie in the model.
    pub locations: Vec<Location>,
    /// What groups of names within and across the two compared get, where that was asked.
    #[serde(default)]
    pub groups: Vec<GroupDifferences>,
    /// Methods that found nothing to look at, and why.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
}

impl Results {
    /// Writes `results.json`, by way of a temporary file beside it.
    ///
    /// # Errors
    /// [`StudyError::Write`].
    pub fn save(&self, path: &Path) -> Result<(), StudyError> {
        write(path, &self.to_json(path)?)
    }

    pub(crate) fn to_json(&self, path: &Path) -> Result<Vec<u8>, StudyError> {
        serde_json::to_vec_pretty(self)
            .map_err(|e| StudyError::Write { path: path.into(), source: e.into() })
    }

    /// Reads a `results.json`.
    ///
    /// # Errors
    /// [`StudyError::Read`] for a file that is missing, damaged or of another version;
    /// [`StudyError::Damaged`] for sizes that no model has.
    pub fn load(path: &Path) -> Result<Self, StudyError> {
        let found = read(path, FORMAT, |own: &Self| &own.format)?;
        let damaged =
            |e: TypesError| StudyError::Damaged { path: path.into(), reason: e.to_string() };
        found.model.dims.validate().map_err(damaged)?;
        Ok(found)
    }
}
