use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF as _, Normal};

use crate::error::MetricError;

/// A share of some cases, with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Proportion {
    /// The number of hits.
    pub hits: u64,
    /// The number of cases.
    pub cases: u64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Proportion {
    /// A share with Wilson's interval (Wilson 1927), which stays within 0 and 1.
    ///
    /// # Errors
    /// [`MetricError::NoValues`] without cases, [`MetricError::BadProbability`] for more hits than
    /// cases, [`MetricError::BadLevel`].
    pub fn wilson(hits: u64, cases: u64, level: f64) -> Result<Self, MetricError> {
        if cases == 0 {
            return Err(MetricError::NoValues { what: "share" });
        }
        let (n, p) = (cases as f64, hits as f64 / cases as f64);
        if hits > cases {
            return Err(MetricError::BadProbability { value: p });
        }
        if !(level > 0.0 && level < 1.0) {
            return Err(MetricError::BadLevel { level });
        }
        let z = Normal::standard().inverse_cdf(f64::midpoint(1.0, level));
        let (scale, middle) = (1.0 + z * z / n, p + z * z / (2.0 * n));
        let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        let low = ((middle - half) / scale).clamp(0.0, p);
        let high = ((middle + half) / scale).clamp(p, 1.0);
        Ok(Self { hits, cases, low, high })
    }

    /// The share.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.hits as f64 / self.cases as f64
    }
}
