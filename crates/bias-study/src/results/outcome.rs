use bias_types::prompt::Context;
use serde::{Deserialize, Serialize};

use super::estimate::{Estimate, null_is_nan};

/// The distance between the prompts that a mask was made from and those it was tested on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
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

/// The effect of one mask on one context's variations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// [`Strategy::id`](super::Strategy::id).
    pub strategy: String,
    /// The context it was tested in.
    pub context: Context,
    /// The distance from the prompts it was made from.
    pub scope: Scope,
    /// Mean |SMD| before, over the same variations.
    #[serde(deserialize_with = "null_is_nan")]
    pub before: f64,
    /// Mean |SMD| after.
    pub after: Estimate,
    /// Mean signed SMD after. Its sign changes if a mask overshoots.
    #[serde(deserialize_with = "null_is_nan")]
    pub signed_after: f64,
    /// `1 − after / before`, over the variations that have an SMD both times.
    pub reduction: Estimate,
    /// The shortfall of the reduction from that on held-out variations of the mask's own context,
    /// paired over names. Only across contexts, and if both ask about the same people.
    #[serde(default)]
    pub shortfall: Option<Estimate>,
    /// Inlier ratio after, by the fences of the unpruned answers.
    pub inlier: Estimate,
    /// Inlier ratio before.
    #[serde(deserialize_with = "null_is_nan")]
    pub inlier_before: f64,
    /// Mean probability of answers that were not explored. The answers of a damaged model are
    /// scattered.
    #[serde(default)]
    pub unexplored: f64,
    /// Mean share of answers that was estimated by drawing.
    #[serde(default)]
    pub estimated: f64,
    /// The number of variations whose SMD can no longer be computed.
    pub degenerate: usize,
}
