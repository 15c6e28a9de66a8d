use bias_types::prompt::Context;
use serde::{Deserialize, Serialize};

use super::estimate::Estimate;

/// Several models side by side: how large the bias of each is, and how far it is from that of the
/// first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SideBySide {
    /// What the models are called, in the order of all lists.
    pub models: Vec<String>,
    /// The rows, context by context.
    pub rows: Vec<SideRow>,
    /// Where the models were not asked alike, and what a file does not say.
    pub remarks: Vec<String>,
}

/// What a row is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SideMeasure {
    /// The mean |SMD| of a context's variations.
    MeanAbs,
    /// Their mean SMD.
    MeanSigned,
    /// The SMD of one variation.
    Variation(String),
}

/// One number of every model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SideRow {
    /// The context.
    pub context: Context,
    /// The number.
    pub measure: SideMeasure,
    /// Every model's; absent where it was not asked, or its file does not say.
    pub cells: Vec<Option<SideCell>>,
    /// How far it is from the first model's; absent for the first.
    pub differences: Vec<Option<SideDifference>>,
}

/// The number of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SideCell {
    /// The number with its 95 % interval over names.
    pub estimate: Estimate,
    /// The number of names of each group, without those who never have a value, if it is known. For
    /// a context, those of its variation with the fewest.
    pub names: Option<[usize; 2]>,
    /// The share of answers that do not say what was asked, the mean of both groups, if it is known.
    pub without_value: Option<f64>,
}

/// How far the number of one model is from that of the first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SideDifference {
    /// The number less the first model's, over the names that both were asked about, with the
    /// interval of drawing the same names for both.
    pub estimate: Estimate,
    /// The number of these names in each group; absent where answers are not known by name, and the
    /// difference is that of the two numbers.
    pub names: Option<[usize; 2]>,
    /// The probability of a difference as large, if it has nothing to do with the groups.
    pub p: Option<f64>,
    /// Corrected for all differences of this kind in the table (Holm 1979).
    pub holm: Option<f64>,
}
