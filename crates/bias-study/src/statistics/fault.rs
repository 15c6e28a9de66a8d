use std::cell::Cell;

use bias_metrics::MetricError;

/// Passes numbers on to code that cannot handle errors, and keeps the first error.
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
