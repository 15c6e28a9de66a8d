use std::cell::Cell;

use bias_metrics::MetricError;

/// What a statistic gave, for those who can take nothing but a number: its first error is kept.
pub(super) fn kept(
    fault: &Cell<Option<MetricError>>,
    found: Result<Option<f64>, MetricError>,
) -> Option<f64> {
    match found {
        Ok(value) => value,
        Err(error) => {
            let first = fault.take();
            fault.set(first.or(Some(error)));
            None
        }
    }
}
