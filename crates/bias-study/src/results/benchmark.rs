use bias_metrics::ranking::Localisation;
use bias_types::UnitKind;
use bias_types::prompt::Context;
use serde::{Deserialize, Serialize};

use super::baseline::Baseline;
use super::outcome::Outcome;
use super::strategy::{Strategy, TrainedOn};

/// What a benchmark of methods found on one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Benchmark {
    /// [`Benchmark::FORMAT`].
    pub format: String,
    /// Name of the model's folder.
    pub model: String,
    /// SHA-256 over its weight files.
    pub fingerprint: String,
    /// Share of every context's bias that all share, where that is known.
    pub shared_fraction: Option<f64>,
    /// The unpruned model.
    pub baseline: Vec<Baseline>,
    /// How well methods find what is known to carry the bias; empty where nothing is known.
    pub located: Vec<Located>,
    /// Every mask tried.
    pub tried: Vec<Tried>,
    /// Methods that could not look at a context, and why.
    pub left_out: Vec<LeftOut>,
    /// Wall-clock seconds of all.
    pub seconds: f64,
}

/// How well one method's scores, from one context, find what carries its bias.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Located {
    /// [`Method::name`](crate::Method::name).
    pub method: String,
    /// What it scores.
    pub unit: UnitKind,
    /// What it was attributed on.
    pub context: Context,
    /// How well its scores tell planted units from others.
    pub found: Localisation,
}

/// A method that found nothing to look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeftOut {
    /// [`Method::name`](crate::Method::name).
    pub method: String,
    /// What it scores.
    pub unit: UnitKind,
    /// What it was to be attributed on.
    pub trained_on: TrainedOn,
    /// Why not.
    pub reason: String,
}

/// One mask, and what it did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// How it was found.
    pub strategy: Strategy,
    /// Share of all prunable weights that was allowed.
    pub allowed: f64,
    /// Seconds that finding took, for all budgets together.
    pub seconds: f64,
    /// Share of the pruned weights that were planted, and of the planted that were pruned.
    pub precision_recall: Option<[f64; 2]>,
    /// What it did where.
    pub outcomes: Vec<Outcome>,
}

impl Benchmark {
    /// The format this version writes.
    pub const FORMAT: &str = "bias-benchmark/2";
}

/// The name of the mask of planted units.
pub const ORACLE: &str = "planted";
/// The name of random masks with as many weights in every matrix as a method's.
pub const MATCHED: &str = "matched";
