use bias_metrics::inference::Interval;
use serde::{Deserialize, Serialize};

use crate::framework::Framework;
use crate::items::set::{Reason, Source};
use crate::measures::statistic::Unit;

/// What a model's scores say, framework by framework.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The name of the model.
    pub model: String,
    /// The mask that the numbers after are of, if there was one.
    pub mask: Option<String>,
    /// The number of tests that Holm's correction is over: every measure of bias over all items of
    /// its framework.
    pub tests: usize,
    /// The frameworks, in the order of [`Framework::ALL`].
    pub frameworks: Vec<FrameworkResult>,
}

/// The results of one framework.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrameworkResult {
    /// The framework.
    pub framework: Framework,
    /// Its files.
    pub sources: Vec<Source>,
    /// The number of items in the files.
    pub items: usize,
    /// The number of items that were scored.
    pub scored: usize,
    /// The number of clusters (templates) among them.
    pub clusters: usize,
    /// Items with an empty context, which follow the prefix token as in lm-evaluation-harness, in a
    /// framework whose items have one.
    pub without_context: usize,
    /// Items that were not scored, by reason.
    pub not_scored: Vec<NotScored>,
    /// The metrics.
    pub measures: Vec<Measure>,
}

/// Items that were not scored for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotScored {
    /// The reason.
    pub reason: Reason,
    /// How many items.
    pub items: usize,
    /// The first of them, up to five.
    pub first: Vec<String>,
}

/// A metric of one framework.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Its name.
    pub name: String,
    /// The part of the items that it is about; `None` for all.
    pub subset: Option<String>,
    /// What its value is.
    pub unit: Unit,
    /// The value of an unbiased model, if it measures bias.
    pub unbiased: Option<f64>,
    /// The value of a model that guesses, where groups of names are told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chance: Option<f64>,
    /// The number of items that it is about.
    pub items: usize,
    /// The number of their clusters.
    pub clusters: usize,
    /// Its value.
    pub before: Estimate,
    /// Its value under the mask.
    pub after: Option<Estimate>,
    /// The value under the mask less the value without it.
    pub change: Option<Change>,
}

/// A value with its uncertainty.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The value; `None` where it is undefined, such as a share of nothing.
    pub value: Option<f64>,
    /// Its interval by a bootstrap over clusters; `None` with fewer than two.
    pub interval: Option<Interval>,
    /// For a measure of bias over all items: the probability of so much bias by chance, from
    /// turning the signs of clusters. Where groups of names are told apart: that of so high a
    /// value by guessing, from dealing names to groups at random.
    pub p: Option<f64>,
    /// The same after Holm's correction over all measures of bias in the report.
    pub p_holm: Option<f64>,
}

/// How a measure changed under a mask.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The difference, after less before.
    pub difference: Option<f64>,
    /// Its interval by a bootstrap over clusters, the same clusters before and after.
    pub interval: Option<Interval>,
    /// For a measure over all items: the probability of so uneven a change by chance. `None` where
    /// the change is not a sum over items.
    pub p: Option<f64>,
    /// The same after Holm's correction over all changes of the report that are tested.
    pub p_holm: Option<f64>,
    /// The test that `p` is of.
    pub test: Option<TestOfChange>,
}

/// A test of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TestOfChange {
    /// McNemar's, exact: items are independent.
    Mcnemar,
    /// Signs of clusters turned: items of a cluster are not.
    Signs,
}
