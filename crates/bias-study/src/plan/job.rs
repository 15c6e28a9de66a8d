use bias_types::prompt::Context;
use serde::{Deserialize, Serialize};

use crate::prompts::{ContextPrompts, PromptSet};
use crate::results::{Alternative, Experiment, Plan, Split, TrainedOn};

/// A unit of work for one process: find the parts that carry a bias in one way, and test them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Job {
    pub trained_on: TrainedOn,
    pub what: What,
    /// Decides how many of its masks are tested. If there are only a few, all of them are tested.
    #[serde(default, skip_serializing_if = "Plan::is_full")]
    pub plan: Plan,
}

/// The kind of masks that a job makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    /// Masks of weights that are scored once.
    Weights,
    /// Masks of a pursuit.
    Pursuit,
    /// Masks of heads.
    Heads,
    /// Masks of the weights of one layer each.
    Layers,
    /// Another model.
    Alternative(Alternative),
}

impl What {
    /// Its name in progress messages.
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

/// The number of variations of each context that get masks of their own.
const PROMPT_SPECIFIC: usize = 2;

/// All jobs of a study after the audit, in order.
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
    let contexts: Vec<&ContextPrompts> = prompts
        .contexts
        .iter()
        .filter(|own| plan > Plan::Short || focus.contains(&own.context))
        .collect();
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
        add(trained_on, &Alternative::STUDIED.map(What::Alternative));
    }
    jobs
}

/// The contexts of the named experiments: the paper's, if they exist.
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
