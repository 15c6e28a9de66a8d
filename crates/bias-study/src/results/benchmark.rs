use bias_metrics::ranking::Localisation;
use bias_types::UnitKind;
use bias_types::prompt::Context;
use serde::{Deserialize, Serialize};

use super::baseline::Baseline;
use super::outcome::Outcome;
use super::strategy::{Strategy, TrainedOn};

/// The results of a benchmark of methods on one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Benchmark {
    /// [`Benchmark::FORMAT`].
    pub format: String,
    /// Name of the model's folder.
    pub model: String,
    /// SHA-256 over its weight files.
    pub fingerprint: String,
    /// The share of every context's bias that all contexts share, if known.
    pub shared_fraction: Option<f64>,
    /// The unpruned model.
    pub baseline: Vec<Baseline>,
    /// How well methods find the units known to carry the bias; empty if none are known.
    pub located: Vec<Located>,
    /// Every mask tried.
    pub tried: Vec<Tried>,
    /// Methods that found nothing to attribute in a context, and why.
    pub left_out: Vec<LeftOut>,
    /// Wall-clock seconds in total.
    pub seconds: f64,
}

/// How well one method's scores, from one context, find the units that carry its bias.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Located {
    /// [`Method::name`](crate::Method::name).
    pub method: String,
    /// The kind of unit that it scores.
    pub unit: UnitKind,
    /// The prompts that it was attributed on.
    pub context: Context,
    /// How well its scores separate planted units from others.
    pub found: Localisation,
}

/// A method that found nothing to attribute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeftOut {
    /// [`Method::name`](crate::Method::name).
    pub method: String,
    /// The kind of unit that it scores.
    pub unit: UnitKind,
    /// The prompts that it was to be attributed on.
    pub trained_on: TrainedOn,
    /// The reason.
    pub reason: String,
}

/// One mask, and its effects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// How it was found.
    pub strategy: Strategy,
    /// The allowed share of all prunable weights.
    pub allowed: f64,
    /// The seconds that the method took, for all budgets together.
    pub seconds: f64,
    /// The share of pruned weights that were planted, and the share of planted weights that were
    /// pruned.
    pub precision_recall: Option<[f64; 2]>,
    /// Its effects, by context.
    pub outcomes: Vec<Outcome>,
}

impl Benchmark {
    /// The format that this version writes.
    pub const FORMAT: &str = "bias-benchmark/2";
}

/// The name of the mask of planted units.
pub const ORACLE: &str = "planted";
/// The name of random masks with as many weights in every matrix as a method's mask.
pub const MATCHED: &str = "matched";
