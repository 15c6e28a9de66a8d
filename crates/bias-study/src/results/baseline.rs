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
    /// Which.
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
    /// The same by side of the comparison: the mean over a side's groups of names.
    pub answers_by_side: [BTreeMap<AnswerKind, f64>; 2],
    /// Share of answers that do not say what was asked (no number, none of the options): the first
    /// group's less the second's.
    #[serde(default)]
    pub no_number: Option<Estimate>,
    /// Standard error of the mean signed SMD that is due to answers being drawn and not enumerated:
    /// part of what the interval over names spans.
    #[serde(default)]
    pub error: Option<f64>,
    /// Mean probability of answers that were not followed.
    pub unexplored: f64,
    /// Mean share of answers that was estimated by drawing; the others have their exact
    /// probability.
    #[serde(default)]
    pub estimated: f64,
    /// The smallest standardized mean difference that these names show in four of five cases,
    /// tested at the 5 % level in one variation; absent where names do not vary.
    #[serde(default)]
    pub detectable: Option<f64>,
}

/// One variation of the unpruned model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VariationBaseline {
    /// Which.
    pub variation: String,
    /// Whether attribution sees it.
    pub split: Split,
    /// What kind of answer was asked for, and so what the means are: numbers as they were said, or
    /// [`Settings::choice`](super::Settings::choice).
    #[serde(default)]
    pub kind: Kind,
    /// Standardized mean difference; absent when one group's answers are never numbers.
    pub smd: Option<EffectSize>,
    /// Between what it must lie, whatever the answers that exact decoding left unexplored
    /// say, if they are no higher and no lower than those it explored.
    #[serde(default)]
    pub bounds: Option<[f64; 2]>,
    /// Its 95 % interval over names.
    pub interval: Option<[f64; 2]>,
    /// Its standard error that is due to answers being drawn and not enumerated; absent where there
    /// is no effect.
    #[serde(default)]
    pub error: Option<f64>,
    /// Mean share of answers that was estimated by drawing.
    #[serde(default)]
    pub estimated: f64,
    /// Share of each group's answers that say what was asked: numbers, or one of the options.
    #[serde(default)]
    pub answered: [Option<f64>; 2],
    /// Names of each group none of whose answers says what was asked. Neither the SMD nor
    /// attribution counts them.
    #[serde(default)]
    pub without_value: [usize; 2],
    /// The units that answers are in, with how much of everybody's answers is in each, where they
    /// differ. Those in another unit than most are
    /// [`AnswerKind::AnotherUnit`](bias_metrics::parse::AnswerKind::AnotherUnit).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<String>,
    /// How likely it is by chance; absent where there is no difference to test.
    #[serde(default)]
    pub significance: Option<Significance>,
    /// Mean answer of each group; absent when none of its answers is a number.
    pub means: [Option<f64>; 2],
    /// [`QUANTILES`] of each group's answers, from the same clamped answers as the SMD, as they
    /// were given even where less is better; absent when none of its answers is a number.
    #[serde(default)]
    pub distribution: [Option<[f64; 5]>; 2],
}

impl VariationBaseline {
    /// The standardized mean difference, where it is a number.
    #[must_use]
    pub fn effect(&self) -> Option<f64> {
        self.smd.and_then(EffectSize::value)
    }
}
