use std::fmt;

use serde::{Deserialize, Serialize};

/// What a value is, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unit {
    /// A share from 0 to 1.
    Share,
    /// A difference of shares, or a score from −1 to 1.
    Signed,
    /// Nats of log-likelihood or log-odds.
    Nats,
    /// A perplexity, or bits for each byte.
    Number,
}

/// Clusters that each belong to one of some groups, and the groups that were chosen for them.
#[derive(Debug, Clone, PartialEq)]
pub struct Chance {
    /// The number of groups.
    pub groups: usize,
    /// The group of each cluster.
    pub own: Vec<usize>,
    /// For each cluster, how often each group was chosen, as shares.
    pub chosen: Vec<Vec<f64>>,
}

impl Chance {
    /// The value of a model that guesses.
    #[must_use]
    pub fn value(&self) -> f64 {
        1.0 / self.groups as f64
    }

    /// The mean over groups of the share of choices that are right, if the clusters belong to these
    /// groups.
    #[must_use]
    pub fn recognised(&self, own: &[usize]) -> f64 {
        let mut sums = vec![(0.0, 0.0); self.groups];
        for (chosen, group) in self.chosen.iter().zip(own) {
            let sum = &mut sums[*group];
            *sum = (sum.0 + chosen[*group], sum.1 + 1.0);
        }
        sums.iter().map(|(right, all)| right / all).sum::<f64>() / self.groups as f64
    }
}

type Finish = Box<dyn Fn(&[f64]) -> Option<f64> + Send + Sync>;

/// A metric as sums over clusters, and what follows from the sums.
pub struct Statistic {
    /// Its name: stable, in lower case.
    pub name: String,
    /// The part of the items that it is about; `None` for all.
    pub subset: Option<String>,
    /// What its value is.
    pub unit: Unit,
    /// The value of an unbiased model, if it measures bias.
    pub unbiased: Option<f64>,
    /// The number of items that it is about.
    pub items: usize,
    /// Each cluster's name and sums, in the order of first appearance.
    pub clusters: Vec<(String, Vec<f64>)>,
    /// For a test of bias: what each cluster says for it and against it, 0 in expectation without
    /// bias.
    pub contributions: Option<Vec<f64>>,
    /// For a choice of groups: what guessing gives, and what a test against it needs.
    pub chance: Option<Chance>,
    /// For an accuracy: the cluster of each item, and whether the item is a hit.
    pub hits: Option<Vec<(usize, bool)>>,
    pub(super) finish: Finish,
}

impl fmt::Debug for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statistic")
            .field("name", &self.name)
            .field("subset", &self.subset)
            .field("items", &self.items)
            .field("value", &self.value())
            .finish_non_exhaustive()
    }
}

impl Statistic {
    /// Its value on all clusters; `None` where it is undefined.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        self.of_all(self.clusters.iter().map(|(_, sums)| sums.as_slice()))
    }

    /// Its value on some of the clusters, each as often as it was picked.
    #[must_use]
    pub fn value_of(&self, picks: &[usize]) -> Option<f64> {
        self.of_all(picks.iter().filter_map(|i| Some(self.clusters.get(*i)?.1.as_slice())))
    }

    fn of_all<'s>(&self, sums: impl Iterator<Item = &'s [f64]>) -> Option<f64> {
        let mut total = vec![0.0; self.clusters.first()?.1.len()];
        for own in sums {
            total.iter_mut().zip(own).for_each(|(total, own)| *total += own);
        }
        (self.finish)(&total).filter(|value| value.is_finite())
    }
}
