use std::collections::BTreeMap;

use bias_metrics::EffectSize;
use bias_metrics::parse::AnswerKind;
use bias_types::prompt::{Context, Group};
use serde::{Deserialize, Serialize};

use super::estimate::Estimate;
use super::form::Kind;
use super::significance::Significance;
use super::split::Split;

/// The quantiles that [`VariationBaseline::distribution`] holds.
pub const QUANTILES: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];

/// One context of the unpruned model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// The context.
    pub context: Context,
    /// Mean |SMD| over all variations.
    pub bias: Estimate,
    /// Mean signed SMD; positive favours the first group.
    pub signed: Estimate,
    /// Share of answers that are numbers within the Tukey fences of their variation.
    pub inlier: Estimate,
    /// Every variation.
    pub variations: Vec<VariationBaseline>,
    /// Share of each kind of answer, by group of names.
    pub answers: BTreeMap<Group, BTreeMap<AnswerKind, f64>>,
    /// The same by side of the comparison: the mean over the groups of names of a side.
    pub answers_by_side: [BTreeMap<AnswerKind, f64>; 2],
    /// The share of answers without the requested form (no number, none of the options): the first
    /// group's minus the second's.
    #[serde(default)]
    pub no_number: Option<Estimate>,
    /// The part of the mean signed SMD's standard error that comes from drawing answers instead of
    /// enumerating them. The interval over names includes it.
    #[serde(default)]
    pub error: Option<f64>,
    /// The share of answers that end within a thought, so that they are unfinished.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub in_thought: f64,
    /// Mean probability of answers that were not explored.
    pub unexplored: f64,
    /// Mean share of answers that was estimated by drawing. The other answers have their exact
    /// probability.
    #[serde(default)]
    pub estimated: f64,
    /// The smallest standardized mean difference that these names show in four of five cases,
    /// tested at the 5 % level in one variation; absent if names do not vary.
    #[serde(default)]
    pub detectable: Option<f64>,
}

/// One variation of the unpruned model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VariationBaseline {
    /// The variation.
    pub variation: String,
    /// Whether attribution sees it.
    pub split: Split,
    /// The kind of answer, which decides the unit of the means: numbers as stated, or
    /// [`Settings::choice`](super::Settings::choice).
    #[serde(default)]
    pub kind: Kind,
    /// Standardized mean difference; absent if one group's answers are never numbers.
    pub smd: Option<EffectSize>,
    /// The bounds of the difference over all possible contents of the unexplored answers, if those
    /// are no higher and no lower than the explored ones.
    #[serde(default)]
    pub bounds: Option<[f64; 2]>,
    /// Its 95 % interval over names.
    pub interval: Option<[f64; 2]>,
    /// The part of its standard error that comes from drawing answers instead of enumerating them;
    /// absent if there is no effect.
    #[serde(default)]
    pub error: Option<f64>,
    /// Mean share of answers that was estimated by drawing.
    #[serde(default)]
    pub estimated: f64,
    /// The share of each group's answers with the requested form: numbers, or one of the options.
    #[serde(default)]
    pub answered: [Option<f64>; 2],
    /// The number of names in each group without a single answer of the requested form. Neither the
    /// SMD nor attribution counts them.
    #[serde(default)]
    pub without_value: [usize; 2],
    /// The units that answers are in, where they differ, with how much of everybody's answers is in
    /// each: `kept: $ (75 %); left out: € (25 %)`. Those that are left out are
    /// [`AnswerKind::AnotherUnit`](bias_metrics::parse::AnswerKind::AnotherUnit).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<String>,
    /// How likely it is by chance; absent where there is no difference to test.
    #[serde(default)]
    pub significance: Option<Significance>,
    /// Mean answer of each group; absent if none of its answers is a number.
    pub means: [Option<f64>; 2],
    /// [`QUANTILES`] of each group's answers, from the same clamped answers as the SMD. They are
    /// not negated where less is better. Absent if none of the group's answers is a number.
    #[serde(default)]
    pub distribution: [Option<[f64; 5]>; 2],
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl VariationBaseline {
    /// The standardized mean difference, if it is finite.
    #[must_use]
    pub fn effect(&self) -> Option<f64> {
        self.smd.and_then(EffectSize::value)
    }
}
