use crate::error::MetricError;

/// Corrects p-values for many tests, so that the chance of any false rejection stays below the
/// level (Holm 1979). Returned in the order given.
///
/// # Errors
/// [`MetricError::BadProbability`] for a value outside [0, 1].
pub fn holm(p: &[f64]) -> Result<Vec<f64>, MetricError> {
    let order = ascending(p)?;
    let mut adjusted = vec![0.0; p.len()];
    let mut largest = 0f64;
    for (rank, &i) in order.iter().enumerate() {
        largest = largest.max((p.len() - rank) as f64 * p[i]).min(1.0);
        adjusted[i] = largest;
    }
    Ok(adjusted)
}

/// Corrects p-values so that the expected share of false ones among those rejected stays below the
/// level (Benjamini & Hochberg 1995), for tests that are independent or positively dependent, like
/// variations of one question. Returned in the order given.
///
/// # Errors
/// [`MetricError::BadProbability`] for a value outside [0, 1].
pub fn benjamini_hochberg(p: &[f64]) -> Result<Vec<f64>, MetricError> {
    let order = ascending(p)?;
    let mut adjusted = vec![0.0; p.len()];
    let mut smallest = 1f64;
    for (rank, &i) in order.iter().enumerate().rev() {
        smallest = smallest.min(p.len() as f64 / (rank + 1) as f64 * p[i]);
        adjusted[i] = smallest;
    }
    Ok(adjusted)
}

fn ascending(p: &[f64]) -> Result<Vec<usize>, MetricError> {
    if let Some(&value) = p.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        return Err(MetricError::BadProbability { value });
    }
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    Ok(order)
}
