//! The results of a study or a benchmark, as in its files: the schema, without their computation.
//! docs/results-schema.md describes the files.

mod also;
mod alternative;
mod attribute;
mod baseline;
mod benchmark;
mod both_sides;
mod budget;
mod claim;
mod estimate;
mod experiment;
mod form;
mod generalization;
mod groups;
mod info;
mod masks;
pub(crate) mod method;
mod outcome;
mod plan;
mod seen;
mod settings;
mod side_by_side;
mod significance;
mod split;
mod strategy;
mod timing;

pub use self::also::{Also, AlsoChange};
pub use self::alternative::Alternative;
pub(crate) use self::attribute::NAME_GROUP;
pub use self::attribute::{Attribute, AttributeSource};
pub use self::baseline::{Baseline, QUANTILES, VariationBaseline};
pub use self::benchmark::{Benchmark, LeftOut, Located, MATCHED, ORACLE, Tried};
pub use self::both_sides::{OnBothSides, SharedPart};
pub use self::budget::{Budget, Share};
pub(crate) use self::budget::{GAP_SHARE, GAP_SHARES, PURSUIT_SHARE, WANDA_SHARE};
pub use self::claim::{Claim, ClaimKind, ClaimRow, Condition, Verdict};
pub use self::estimate::Estimate;
pub use self::experiment::Experiment;
pub use self::form::{ChoiceValue, Form, FormText, Kind};
pub use self::generalization::{
    Absent, Bound, Carried, Cause, Changed, Elsewhere, Gated, Generalization, NameCheck, Power,
    ProtocolInfo,
};
pub use self::groups::{GroupDifferences, GroupPair};
pub use self::info::{ContextInfo, ModelInfo, PromptInfo};
pub use self::masks::{ContextOverlap, Location};
pub use self::outcome::{Outcome, Scope};
pub use self::plan::Plan;
pub use self::seen::{Approach, Asking, Control, Format, Seen, Target};
pub use self::settings::Settings;
pub use self::side_by_side::{SideBySide, SideCell, SideDifference, SideMeasure, SideRow};
pub(crate) use self::significance::ALPHA;
pub use self::significance::Significance;
pub use self::split::Split;
pub(crate) use self::strategy::quoted;
pub use self::strategy::{Strategy, TrainedOn};
pub use self::timing::{Phase, Timing};

use std::path::Path;

use bias_types::prompt::Context;
use serde::{Deserialize, Serialize};

use crate::StudyError;
use crate::save::{read, write};

/// The value of `format` in files of this version.
pub const FORMAT: &str = "bias-study/4";

/// All results of a study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// [`FORMAT`].
    pub format: String,
    /// The model.
    pub model: ModelInfo,
    /// The prompts.
    pub prompts: PromptInfo,
    /// The settings.
    pub settings: Settings,
    /// The two contexts of the named experiments: attributed on, tested on.
    pub focus: [Context; 2],
    /// The experiments.
    pub experiments: Vec<Experiment>,
    /// The plan.
    #[serde(default)]
    pub plan: Plan,
    /// The unpruned model, context by context.
    pub baseline: Vec<Baseline>,
    /// The perplexity of the unpruned model on neutral text, if there is such text.
    pub neutral_perplexity: Option<f64>,
    /// Every mask that was tried.
    pub strategies: Vec<Strategy>,
    /// The effect of each mask in each context.
    pub outcomes: Vec<Outcome>,
    /// The agreement of the masks of two contexts.
    pub overlaps: Vec<ContextOverlap>,
    /// The places of masks in the model.
    pub locations: Vec<Location>,
    /// The differences between the groups of names within and across the two groups compared, if
    /// requested.
    #[serde(default)]
    pub groups: Vec<GroupDifferences>,
    /// Methods that found nothing to attribute, and why.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
    /// Benchmarks and capability tasks before and after every mask, if requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub also: Option<Also>,
}

impl Results {
    /// Writes `results.json`, whole or not at all.
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
    /// [`StudyError::Damaged`] for impossible sizes of a model.
    pub fn load(path: &Path) -> Result<Self, StudyError> {
        let found = read(path, FORMAT, |own: &Self| &own.format)?;
        found.model.check_sizes(path)?;
        Ok(found)
    }
}
