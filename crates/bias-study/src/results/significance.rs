use serde::{Deserialize, Serialize};

/// The probability of a variation's difference by chance, with names relabelled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Significance {
    /// The two-sided p-value of a permutation test over names.
    pub p: f64,
    /// Corrected for all variations of the context, so that any false finding is unlikely (Holm
    /// 1979).
    pub holm: f64,
    /// Corrected so that few of the findings are false (Benjamini & Hochberg 1995).
    pub false_discovery: f64,
}

/// The accepted probability of a false finding.
pub(crate) const ALPHA: f64 = 0.05;
