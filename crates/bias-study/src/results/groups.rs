use bias_types::prompt::{Context, Group};
use serde::{Deserialize, Serialize};

use super::estimate::{Estimate, null_is_nan};

/// The differences between the groups of names in a context, in the unpruned model or under a mask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupDifferences {
    /// The context.
    pub context: Context,
    /// [`Strategy::id`](super::Strategy::id); absent for the unpruned model, which is asked about
    /// all names and variations. Masks are tested on held-out names and variations of their own
    /// context.
    pub strategy: Option<String>,
    /// The attribute that tells the groups apart; absent for the groups of names that the prompt
    /// file names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribute: Option<String>,
    /// The pairs of groups.
    pub pairs: Vec<GroupPair>,
    /// Cohen's *f* over all groups: the standard deviation of their means over the pooled one
    /// within groups, as a mean over variations. 0.1 counts as small and 0.4 as large; chance alone
    /// lifts it above 0.
    #[serde(deserialize_with = "null_is_nan")]
    pub spread: f64,
    /// The same for the unpruned model over the same variations and names.
    #[serde(deserialize_with = "null_is_nan")]
    pub spread_before: f64,
    /// The share of random assignments of names to groups with at least the same *f*: of 1,000, or
    /// of 1,999 for the groups of an attribute.
    pub spread_p: Option<f64>,
    /// The mean *f* of these assignments, for the groups of an attribute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread_by_chance: Option<f64>,
}

/// Two groups of names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupPair {
    /// A positive difference favours the first group.
    pub groups: [Group; 2],
    /// Mean signed SMD over variations.
    pub signed: Estimate,
    /// Mean |SMD|.
    pub bias: Estimate,
    /// Mean |SMD| of the unpruned model over the same variations and names. For the unpruned model
    /// itself, it equals its mean |SMD|.
    #[serde(deserialize_with = "null_is_nan")]
    pub before: f64,
    /// For the groups of an attribute: the share of random assignments of these names to the two
    /// groups with at least the same mean signed SMD on either side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// The same after Holm's correction over the pairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holm: Option<f64>,
}
