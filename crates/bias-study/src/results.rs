//! What a study found: the content of `results.json`, and all that tables and report
//! are made of. docs/results-schema.md describes the file.

use std::collections::BTreeMap;
use std::fmt;

use bias_core::{Context, Group, ModelDims, Sublayer, UnitKind};
use bias_metrics::{AnswerKind, EffectSize};
use bias_model::{Decoding, Sampling};
use serde::{Deserialize, Serialize};

use crate::form::{ChoiceValue, Form, Kind};
use crate::{Experiment, GroupDifferences, Plan, Significance};

/// The value of `format` in files of this version.
pub const FORMAT: &str = "bias-study/3";

/// The quantiles that [`VariationBaseline::distribution`] holds.
pub const QUANTILES: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];

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
    /// What groups of names within and across the races get, where that was asked.
    #[serde(default)]
    pub groups: Vec<GroupDifferences>,
}

/// The model studied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Name of its folder.
    pub name: String,
    /// SHA-256 over its weight files.
    pub fingerprint: String,
    /// Its sizes.
    pub dims: ModelDims,
}

/// The prompts asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PromptInfo {
    /// SHA-256 of the prompt file.
    pub sha256: String,
    /// The group that a positive difference favours, and the one compared with it.
    pub races: [String; 2],
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

/// The settings that decide the numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Seed of everything random.
    pub seed: u64,
    /// How answers are taken.
    pub decoding: Decoding,
    /// Bootstrap resamples of names per interval.
    pub resamples: usize,
    /// Answers are clamped to these quantiles of their variation first.
    pub winsorise: [f64; 2],
    /// Tukey's multiplier in the inlier ratio.
    pub tukey_k: f64,
    /// What a choice is worth.
    #[serde(default)]
    pub choice: ChoiceValue,
    /// Attribution looks at so many names of each side at most, evenly over those that it may see; at all of them, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributed_names: Option<usize>,
    /// How the next token is drawn; taken from the model when the study begins.
    #[serde(default)]
    pub sampling: Sampling,
    /// Answers are cut after this many tokens; likewise.
    #[serde(default)]
    pub max_new_tokens: usize,
}

/// A number with its 95 % interval over names, where one could be had.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The number; `null` in the file when it could not be computed.
    #[serde(deserialize_with = "null_is_nan")]
    pub value: f64,
    /// Lower and upper end.
    pub interval: Option<[f64; 2]>,
}

/// The variations a number is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Those that attribution may look at.
    Attribution,
    /// Those it never sees.
    HeldOut,
}

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
    /// Share of answers that do not say what was asked (no number, none of the options): the first group's less the second's.
    #[serde(default)]
    pub no_number: Option<Estimate>,
    /// Standard error of the mean signed SMD that is due to answers being drawn and not enumerated: part of what the interval over
    /// names spans.
    #[serde(default)]
    pub error: Option<f64>,
    /// Mean probability of answers that were not followed.
    pub unexplored: f64,
    /// Mean share of answers that was estimated by drawing; the others have their exact probability.
    #[serde(default)]
    pub estimated: f64,
    /// The smallest standardized mean difference that these names show in four of five cases, tested at the 5 % level in
    /// one variation; absent where names do not vary.
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
    /// What kind of answer was asked for, and so what the means are: numbers as they were said, or [`Settings::choice`].
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
    /// Its standard error that is due to answers being drawn and not enumerated; absent where there is no effect.
    #[serde(default)]
    pub error: Option<f64>,
    /// Mean share of answers that was estimated by drawing.
    #[serde(default)]
    pub estimated: f64,
    /// Share of each group's answers that say what was asked: numbers, or one of the options.
    #[serde(default)]
    pub answered: [Option<f64>; 2],
    /// How likely it is by chance; absent where there is no difference to test.
    #[serde(default)]
    pub significance: Option<Significance>,
    /// Mean answer of each group; absent when none of its answers is a number.
    pub means: [Option<f64>; 2],
    /// [`QUANTILES`] of each group's answers, from the same clamped answers as the SMD, as they were given even where
    /// less is better; absent when none of its answers is a number.
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

/// What a mask was made from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrainedOn {
    /// One variation of a context.
    Variation(Context, String),
    /// The attribution variations of a context.
    Context(Context),
    /// The attribution variations of every context.
    All,
    /// Those of every context but one, which the mask is tested on.
    AllBut(Context),
}

impl fmt::Display for TrainedOn {
    /// As the ids of strategies begin; contexts that could be taken for something else are quoted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |context: &Context| {
            let name = context.as_str();
            if name.starts_with(['(', '"']) || name.contains(':') { format!("{name:?}") } else { name.into() }
        };
        match self {
            Self::Variation(context, variation) => write!(f, "{}:{variation}", named(context)),
            Self::Context(context) => f.write_str(&named(context)),
            Self::AllBut(context) => write!(f, "(all but {})", named(context)),
            Self::All => f.write_str("(all)"),
        }
    }
}

/// One mask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Strategy {
    /// Unique, such as `financial/signed-gap/0.2%`.
    pub id: String,
    /// What it was made for.
    #[serde(default)]
    pub experiment: Experiment,
    /// How it was found, such as `signed-gap`.
    pub method: String,
    /// What it prunes.
    pub unit: UnitKind,
    /// What it was made from.
    pub trained_on: TrainedOn,
    /// Its budget in words, such as `0.2%` or `4 heads`.
    pub budget: String,
    /// Weights changed: set to zero, unless the experiment is about alternatives to that.
    pub weights: usize,
    /// Their share of all prunable weights.
    pub share: f64,
    /// SHA-256 of the mask; nothing where no mask says what was changed.
    pub mask: String,
    /// Relative change of perplexity on neutral text (0.01 is 1 % worse).
    pub perplexity_change: Option<f64>,
}

/// How far from what it was made from a mask was tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Made from one variation, tested on it.
    PromptSpecific,
    /// Made from a context's attribution variations, tested on them.
    Attributed,
    /// Made from a context's attribution variations, tested on its held-out ones.
    HeldOut,
    /// Made from one context, tested on another's held-out variations.
    CrossContext,
    /// Made from all contexts, tested on one's held-out variations.
    All,
    /// Made from all contexts but one, tested on that one's held-out variations.
    LeftOut,
}

/// What one mask did to one context's variations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// [`Strategy::id`].
    pub strategy: String,
    /// Where it was tested.
    pub context: Context,
    /// How far from what it was made from.
    pub scope: Scope,
    /// Mean |SMD| before, over the same variations.
    #[serde(deserialize_with = "null_is_nan")]
    pub before: f64,
    /// Mean |SMD| after.
    pub after: Estimate,
    /// Mean signed SMD after: its sign turns when a mask overshoots.
    #[serde(deserialize_with = "null_is_nan")]
    pub signed_after: f64,
    /// `1 − after / before`, over the variations that have an SMD both times.
    pub reduction: Estimate,
    /// By how much the reduction falls short of that on held-out variations of the mask's own context, paired over names; only
    /// across contexts, and where both ask about the same people.
    #[serde(default)]
    pub shortfall: Option<Estimate>,
    /// Inlier ratio after, by the fences of the unpruned answers.
    pub inlier: Estimate,
    /// Inlier ratio before.
    #[serde(deserialize_with = "null_is_nan")]
    pub inlier_before: f64,
    /// Mean probability of answers that were not followed; a damaged model scatters them.
    #[serde(default)]
    pub unexplored: f64,
    /// Mean share of answers that was estimated by drawing.
    #[serde(default)]
    pub estimated: f64,
    /// Variations whose SMD could not be computed any more.
    pub degenerate: usize,
}

/// How far two masks of one method and budget agree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContextOverlap {
    /// How both were found.
    pub method: String,
    /// Their budget.
    pub budget: String,
    /// What they were made from.
    pub contexts: [Context; 2],
    /// Weights in both over weights in either; absent when a mask is empty.
    pub jaccard: Option<f64>,
    /// The same expected of random masks with as many weights in every matrix.
    pub jaccard_by_chance: Option<f64>,
    /// Weights in both over weights in the smaller.
    pub coefficient: Option<f64>,
    /// The same expected of such random masks.
    pub coefficient_by_chance: Option<f64>,
}

/// How much of a mask lies in one half of one layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Location {
    /// [`Strategy::id`].
    pub strategy: String,
    /// Layer, from 0.
    pub layer: usize,
    /// Attention or MLP.
    pub sublayer: Sublayer,
    /// Weights chosen there.
    pub chosen: usize,
    /// Weights that a random mask of the same size would choose there, on average.
    pub expected: f64,
    /// Standard deviation of that number.
    pub deviation: f64,
}

/// JSON has no NaN: it is written as `null`.
pub(crate) fn null_is_nan<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_things_to_make_masks_from_are_called_alike() {
        let context = |name: &str| TrainedOn::Context(name.parse().unwrap());
        let all = [
            TrainedOn::All,
            TrainedOn::AllBut("pay".parse().unwrap()),
            TrainedOn::Variation("pay".parse().unwrap(), "raise".into()),
            context("pay"),
            context("pay:raise"),
            context("(all)"),
            context("(all but pay)"),
            context("\"pay:raise\""),
        ];
        let names: std::collections::BTreeSet<String> = all.iter().map(TrainedOn::to_string).collect();
        assert_eq!(names.len(), all.len(), "{names:?}");
        assert_eq!(all[2].to_string(), "pay:raise");
    }
}
