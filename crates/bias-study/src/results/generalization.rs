//! What a change of the model that was made from some questions does to others.

use std::fmt;
use std::path::Path;

use bias_metrics::Permutation;
use bias_types::prompt::Context;
use serde::{Deserialize, Serialize};

use super::also::AlsoChange;
use super::claim::{Claim, ClaimRow};
use super::estimate::{Estimate, null_is_nan};
use super::info::{ModelInfo, PromptInfo};
use super::seen::{Approach, Control, Format, Seen, Target};
use super::settings::Settings;
use crate::StudyError;
use crate::save::{read, write};

/// All results of the protocol, as in `generalize.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Generalization {
    /// [`Generalization::FORMAT`].
    pub format: String,
    /// The model.
    pub model: ModelInfo,
    /// The prompts, with the other formats as contexts of their own.
    pub prompts: PromptInfo,
    /// The settings that decide the numbers.
    pub settings: Settings,
    /// What was decided before the run.
    pub protocol: ProtocolInfo,
    /// Whether names could give the group away by something else.
    pub names: NameCheck,
    /// Mean log-loss of the unchanged model on neutral text, in nats per token.
    pub neutral_log_loss: Option<f64>,
    /// The unchanged model on every target: what could be found there at all.
    pub power: Vec<Power>,
    /// Every change that was made.
    pub changes: Vec<Changed>,
    /// What was not tried or found nothing, with the reason.
    pub absent: Vec<Absent>,
    /// Every change on every target.
    pub outcomes: Vec<Carried>,
    /// Every change from one context over the other contexts together.
    pub elsewhere: Vec<Elsewhere>,
    /// The masks of several homes behind a gate.
    #[serde(default)]
    pub gated: Vec<Gated>,
    /// Published benchmarks, capability tasks and names under every change.
    pub also: Vec<AlsoChange>,
    /// The rows that claims are judged by.
    pub rows: Vec<ClaimRow>,
    /// The four claims.
    pub claims: Vec<Claim>,
}

impl Generalization {
    /// The format that this version writes.
    pub const FORMAT: &str = "bias-generalize/3";

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// [`StudyError::Write`].
    pub fn save(&self, path: &Path) -> Result<(), StudyError> {
        let json = serde_json::to_vec_pretty(self)
            .map_err(|e| StudyError::Write { path: path.into(), source: e.into() })?;
        write(path, &json)
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`StudyError::Read`] for a file that is missing, damaged or of another version;
    /// [`StudyError::Damaged`] for impossible sizes of a model.
    pub fn load(path: &Path) -> Result<Self, StudyError> {
        let found = read(path, Self::FORMAT, |own: &Self| &own.format)?;
        found.model.check_sizes(path)?;
        Ok(found)
    }

    /// The change of this id.
    #[must_use]
    pub fn change(&self, id: &str) -> Option<&Changed> {
        self.changes.iter().find(|own| own.id == id)
    }

    /// What a change did to a target.
    #[must_use]
    pub fn outcome(&self, change: &str, target: &Target) -> Option<&Carried> {
        self.outcomes.iter().find(|own| own.change == change && own.target == *target)
    }

    /// What a change did to the other contexts together.
    #[must_use]
    pub fn over_others(&self, change: &str) -> Option<&Elsewhere> {
        self.elsewhere.iter().find(|own| own.change == change)
    }

    /// The unchanged model on a target.
    #[must_use]
    pub fn power(&self, target: &Target) -> Option<&Power> {
        self.power.iter().find(|own| own.target == *target)
    }
}

/// What was decided before the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProtocolInfo {
    /// What is tried.
    pub approaches: Vec<Approach>,
    /// The contexts that are homes in turn, each also left out in turn.
    pub homes: Vec<Context>,
    /// The most that mean log-loss on neutral text may rise, in nats per token, level by level.
    pub limits: Vec<f64>,
    /// The largest share of prunable weights that a mask may take.
    pub most: f64,
    /// The most probes of damage for each limit.
    pub probes: usize,
    /// Other ways to put the questions.
    pub formats: Vec<Format>,
    /// The edit that masks are compared with in claim (d).
    pub rival: Approach,
    /// The file of capability tasks that damage is measured on, if there was one.
    pub tasks: Option<String>,
}

/// Whether something about names besides the first name gives the group away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NameCheck {
    /// Whether tests use other names than attribution.
    pub held_out: bool,
    /// The number of names of each group that attribution sees.
    pub seen: [usize; 2],
    /// The number of names of each group that tests use.
    pub tested: [usize; 2],
    /// The share of tested names whose group the best guess from the surname finds; 0.5 with equal
    /// groups means that surnames say nothing. Absent if no name has a surname.
    pub told_by_surname: Option<f64>,
    /// The number of surnames of tested names, and how many of them attribution saw too.
    pub surnames: [usize; 2],
}

impl NameCheck {
    /// The smallest p that relabelling the tested names can give, after Holm's correction over so
    /// many rows.
    #[must_use]
    pub fn smallest_p(&self, rows: usize) -> f64 {
        (Permutation::new(0).smallest_p(self.tested) * rows as f64).min(1.0)
    }
}

/// What could be found on a target: the unchanged model's gap on the held-out names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Power {
    /// The target.
    pub target: Target,
    /// The number of variations that count: those whose direction is known from the names of the
    /// attribution half, and that have an SMD on the tested names.
    pub variations: usize,
    /// Mean SMD over these variations, each in the direction that the attribution half has.
    pub gap: Estimate,
    /// The probability of so large a gap by chance, if labels of names mean nothing.
    pub p: Option<f64>,
    /// The smallest share of the gap whose removal is found in four of five cases at the 5 % level;
    /// above 1, not even the removal of all of it.
    pub smallest_reduction: Option<f64>,
    /// Whether the gap is above 0 with p < 0.05, so that a reduction of it means something.
    pub measurable: bool,
    /// Why it is not.
    pub reason: Option<String>,
}

/// A change of the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    /// Its name in this file, such as `signed-gap/hiring/0.01`.
    pub id: String,
    /// What made it.
    pub approach: Approach,
    /// What that saw.
    pub seen: Seen,
    /// What it is compared with.
    pub control: Control,
    /// The limit of damage that it was dialled to, in nats per token.
    pub limit: f64,
    /// Its strength: weights zeroed, or for an edit the share of the whole edit, from 0 to 1.
    pub strength: f64,
    /// What refused a larger strength; `None` for the largest mask, or the whole edit.
    pub bound: Option<Bound>,
    /// The number of weights that differ from before.
    pub weights: usize,
    /// Their share of all prunable weights.
    pub share: f64,
    /// SHA-256 of the mask; empty for an edit.
    pub mask: String,
    /// The rise of mean log-loss on neutral text, in nats per token.
    pub log_loss: Option<f64>,
}

/// What ends a dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Bound {
    /// The log-loss of neutral text.
    LogLoss,
    /// Capability tasks.
    Capability,
    /// The gap that the approach saw is reversed.
    Reversed,
    /// The smallest unit has more weights than a mask may take.
    Size,
}

impl Bound {
    /// What it says of a change whose smallest step goes too far.
    pub(crate) fn of_the_smallest_step(self) -> &'static str {
        match self {
            Self::LogLoss => "its smallest step does more damage to neutral text than the limit",
            Self::Capability => "its smallest step costs capability",
            Self::Reversed => "its smallest step reverses the gap that it saw",
            Self::Size => "its smallest unit has more weights than a mask may take",
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::LogLoss => "neutral text",
            Self::Capability => "tasks",
            Self::Reversed => "the gap seen is closed",
            Self::Size => "no room for another unit",
        })
    }
}

/// Something that was not tried, or found nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Absent {
    /// What would have made it.
    pub approach: Approach,
    /// What it saw.
    pub seen: Seen,
    /// Whether it would have been a control.
    pub control: Control,
    /// The limit; `None` for all of them.
    pub limit: Option<f64>,
    /// What kind of reason it is.
    pub cause: Cause,
    /// The reason, for people.
    pub reason: String,
}

/// Why something was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// There is no gap to work on.
    NoGap,
    /// The approach looked and chose nothing to change.
    ChoseNothing,
    /// The approach cannot look at this.
    Failed,
    /// Its smallest step goes beyond the limit.
    Refused,
}

/// What a change did to a target, on held-out names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Carried {
    /// [`Changed::id`].
    pub change: String,
    /// The target.
    pub target: Target,
    /// The gap before, over the variations that have one both times.
    #[serde(deserialize_with = "null_is_nan")]
    pub before: f64,
    /// The gap after, in the same directions: below 0 it is reversed.
    pub after: Estimate,
    /// `1 − after / before`: above 1, the gap is reversed.
    pub reduction: Estimate,
    /// The same of the mean |SMD|, as a study reports it.
    pub unsigned: Estimate,
    /// Mean |SMD| after.
    #[serde(deserialize_with = "null_is_nan")]
    pub size_after: f64,
    /// The mean |SMD| that shuffled labels give after the change.
    pub size_by_chance: Option<f64>,
    /// The probability of so uneven a change between the groups by chance.
    pub p: Option<f64>,
    /// The probability of so uneven a difference from the placebo of the same limit, which is the
    /// unchanged model if the approach makes nothing of shuffled groups.
    pub p_placebo: Option<f64>,
    /// Inlier ratio after, by the fences of the unchanged answers.
    pub inlier: Estimate,
    /// Inlier ratio before.
    #[serde(deserialize_with = "null_is_nan")]
    pub inlier_before: f64,
    /// Inlier ratio after less before, for the same names.
    pub inlier_change: Estimate,
    /// The number of variations whose SMD can no longer be computed.
    pub degenerate: usize,
    /// Why there is no reduction, where there is none.
    pub reason: Option<String>,
}

/// What a change from one context did to the others together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// [`Changed::id`].
    pub change: String,
    /// The contexts with a measurable gap.
    pub contexts: Vec<Context>,
    /// `1 − Σ after / Σ before` over them, with its interval over names.
    pub reduction: Estimate,
    /// The same with an interval over contexts (`bias_metrics::inference::ratio_interval`); absent
    /// below two contexts.
    pub over_contexts: Option<[f64; 2]>,
    /// The lowest inlier ratio of these contexts.
    pub inlier: Option<f64>,
    /// As [`Carried::p_placebo`].
    pub p_placebo: Option<f64>,
    /// Why there is no reduction, where there is none.
    pub reason: Option<String>,
}

/// What the masks of several homes do in a context, if a gate chooses one for each question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gated {
    /// What made the masks.
    pub approach: Approach,
    /// The limit of damage of each mask, in nats per token.
    pub limit: f64,
    /// The context that is asked about.
    pub context: Context,
    /// Whether the context's own mask is among those to choose from. Then its held-out questions are
    /// asked, else all of them.
    pub known: bool,
    /// How often each home's mask is chosen, the most frequent first.
    pub chosen: Vec<(Context, f64)>,
    /// What that does to the context. There is no single change.
    pub carried: Carried,
}
