use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF as _, Normal};
use statrs::function::gamma::ln_gamma;

use super::sample::both;
use crate::error::MetricError;

/// A standardized difference between names, corrected for small samples (Hedges 1981).
///
/// Its unit is the deviation *between names*: each name contributes one number. The [standardized
/// mean difference](crate::smd()) of pooled answers also includes the deviation within a name's
/// answers, so it is smaller.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HedgesG {
    /// (mean_A − mean_B) over the pooled deviation, times the correction.
    pub g: f64,
    /// Standard error in large samples (Hedges & Olkin 1985, p. 86).
    pub error: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Hedges' g of one number per name with an interval at `level`.
///
/// # Errors
/// [`MetricError::TooFewNames`] below two names in a group, [`MetricError::NotFinite`],
/// [`MetricError::BadLevel`], [`MetricError::Constant`] where neither group varies.
pub fn hedges_g(a: &[f64], b: &[f64], level: f64) -> Result<HedgesG, MetricError> {
    if !(level > 0.0 && level < 1.0) {
        return Err(MetricError::BadLevel { level });
    }
    let [a, b] = both(a, b, 2)?;
    let degrees = a.count + b.count - 2.0;
    let pooled = ((a.count - 1.0) * a.variance + (b.count - 1.0) * b.variance) / degrees;
    if !pooled.is_finite() {
        return Err(MetricError::NotFinite { what: "variance of names" });
    }
    if pooled == 0.0 {
        return Err(MetricError::Constant { what: "Hedges' g" });
    }
    let g = (a.mean - b.mean) / pooled.sqrt() * correction(degrees);
    let total = a.count + b.count;
    let error = (total / (a.count * b.count) + g * g / (2.0 * total)).sqrt();
    let half = Normal::standard().inverse_cdf(f64::midpoint(1.0, level)) * error;
    Ok(HedgesG { g, error, low: g - half, high: g + half })
}

/// J(ν) = Γ(ν/2) / (√(ν/2) · Γ((ν − 1)/2)).
fn correction(degrees: f64) -> f64 {
    let half = degrees / 2.0;
    (ln_gamma(half) - ln_gamma(half - 0.5) - half.ln() / 2.0).exp()
}
