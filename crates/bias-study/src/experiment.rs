use std::fmt;
use std::str::FromStr;

use bias_core::Context;
use serde::{Deserialize, Serialize};

use crate::alternatives::Alternative;
use crate::results::{Split, TrainedOn};
use crate::{ContextPrompts, Plan, PromptSet};

/// One of the questions that a study can be asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Experiment {
    /// How biased, what carries it, and how far does pruning that carry? The paper's three experiments.
    #[default]
    Transfer,
    /// Is the bias in some layers? As many weights are pruned in one layer at a time.
    Layers,
    /// Does anything else than zeroing weights remove it, and carry farther?
    Alternatives,
    /// Which groups of names within and across races differ?
    Groups,
}

impl Experiment {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Transfer, Self::Layers, Self::Alternatives, Self::Groups];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Transfer => "transfer",
            Self::Layers => "layers",
            Self::Alternatives => "alternatives",
            Self::Groups => "groups",
        }
    }
}

impl fmt::Display for Experiment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which part of a study is done here: the `index`-th of `count`, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// Everything.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// The `index`-th of `count` parts, from 0; `None` if there is no such part.
    #[must_use]
    pub fn new(index: usize, count: usize) -> Option<Self> {
        (index < count).then_some(Self { index, count })
    }

    /// Whether this part does the `job`-th job.
    #[must_use]
    pub fn takes(self, job: usize) -> bool {
        job % self.count == self.index
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    /// Reads `index/count`, from `0/n` to `n-1/n`.
    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        parts.and_then(|(i, n)| Self::new(i, n)).ok_or_else(|| {
            format!("`{text}`: a part of how many is needed, from 0, such as 0/4, 1/4, 2/4 and 3/4")
        })
    }
}

/// What one process does at a time: find what carries the bias of something in one way, and try it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Job {
    pub trained_on: TrainedOn,
    pub what: What,
    /// How many of the masks it finds are tried; of what finds no more than a few always all.
    #[serde(default, skip_serializing_if = "Plan::is_full")]
    pub plan: Plan,
}

/// What a job finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    /// Masks of weights that are scored once.
    Weights,
    /// Those of a pursuit.
    Pursuit,
    /// Masks of heads.
    Heads,
    /// Masks of weights of one layer each.
    Layers,
    /// Another model.
    Alternative(Alternative),
}

impl What {
    /// As progress says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Weights => "weights, scored once",
            Self::Pursuit => "gap pursuit",
            Self::Heads => "heads",
            Self::Layers => "layer by layer",
            Self::Alternative(own) => own.name(),
        }
    }

    pub(crate) fn experiment(self) -> Experiment {
        match self {
            Self::Weights | Self::Pursuit | Self::Heads => Experiment::Transfer,
            Self::Layers => Experiment::Layers,
            Self::Alternative(_) => Experiment::Alternatives,
        }
    }
}

/// Variations of each context that get masks of their own.
const PROMPT_SPECIFIC: usize = 2;

/// Everything that a study does after the audit, in order.
pub(crate) fn jobs(
    prompts: &PromptSet,
    plan: Plan,
    focus: &[Context; 2],
    experiments: &[Experiment],
) -> Vec<Job> {
    let mut jobs = Vec::new();
    let mut add = |trained_on: TrainedOn, all: &[What]| {
        let own = all.iter().filter(|what| experiments.contains(&what.experiment()));
        jobs.extend(own.map(|what| {
            let plan = if matches!(what, What::Weights | What::Heads) { plan } else { Plan::Full };
            Job { trained_on: trained_on.clone(), what: *what, plan }
        }));
    };
    let contexts: Vec<&ContextPrompts> =
        prompts.contexts.iter().filter(|own| plan > Plan::Short || focus.contains(&own.context)).collect();
    for own in &contexts {
        let seen = own.variations.iter().filter(|v| v.split == Split::Attribution);
        for variation in seen.take(if plan.is_full() { PROMPT_SPECIFIC } else { 0 }) {
            let trained_on = TrainedOn::Variation(own.context.clone(), variation.name.clone());
            add(trained_on, &[What::Weights, What::Heads]);
        }
        add(TrainedOn::Context(own.context.clone()), &[What::Weights, What::Pursuit, What::Heads]);
    }
    if plan.is_full() && contexts.len() > 1 {
        add(TrainedOn::All, &[What::Weights, What::Pursuit, What::Heads]);
    }
    let mut focus: Vec<&Context> = focus.iter().collect();
    focus.dedup();
    for context in focus {
        let trained_on = TrainedOn::Context(context.clone());
        add(trained_on.clone(), &[What::Layers]);
        add(trained_on, &Alternative::ALL.map(What::Alternative));
    }
    jobs
}

/// The contexts of the named experiments: the paper's, if there are such.
pub(crate) fn focus(prompts: &PromptSet, wanted: Option<[Context; 2]>) -> [Context; 2] {
    wanted.unwrap_or_else(|| {
        let named = |name: &str| prompts.index_of(name);
        let (from, to) = match (named("financial"), named("commercial")) {
            (Some(from), Some(to)) => (from, to),
            _ => (0, 1.min(prompts.contexts.len() - 1)),
        };
        [from, to].map(|c| prompts.contexts[c].context.clone())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_all_jobs_once() {
        for count in 1..5 {
            let parts: Vec<Shard> = (0..count).map(|i| format!("{i}/{count}").parse().unwrap()).collect();
            for job in 0..20 {
                assert_eq!(parts.iter().filter(|part| part.takes(job)).count(), 1);
            }
        }
        for bad in ["", "1", "1/1", "4/4", "0/0", "-1/2", "a/b", "1/2/3"] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }
}
