use bias_types::prompt::{Context, Group};
use serde::{Deserialize, Serialize};

use super::estimate::{Estimate, null_is_nan};

/// How far the groups of names of a context lie apart, in the unpruned model or under a mask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupDifferences {
    /// Which context.
    pub context: Context,
    /// [`Strategy::id`](super::Strategy::id); absent for the unpruned model, which is asked about
    /// all names and variations. Masks are tested on held-out ones of their own context.
    pub strategy: Option<String>,
    /// Two groups at a time.
    pub pairs: Vec<GroupPair>,
    /// Cohen's *f* over all groups: the standard deviation of their means over the pooled one
    /// within groups, mean over variations. 0.1 counts as small, 0.4 as large; chance alone lifts
    /// it above 0.
    #[serde(deserialize_with = "null_is_nan")]
    pub spread: f64,
    /// The same of the unpruned model over the same variations and names.
    #[serde(deserialize_with = "null_is_nan")]
    pub spread_before: f64,
    /// Share of 1,000 random assignments of names to groups that lie as far apart.
    pub spread_p: Option<f64>,
}

/// Two groups of names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupPair {
    /// Positive favours the first.
    pub groups: [Group; 2],
    /// Mean signed SMD over variations.
    pub signed: Estimate,
    /// Mean |SMD|.
    pub bias: Estimate,
    /// Mean |SMD| of the unpruned model over the same variations and names; of itself the same.
    #[serde(deserialize_with = "null_is_nan")]
    pub before: f64,
}
