/// The probability of so uneven a change, if items were as likely to be gained as to be lost:
/// McNemar's test, exact (the two-sided binomial test of the changed items, McNemar 1947). `lost`
/// items were right before and are wrong after, `gained` items the other way round. 1 where nothing
/// changed.
///
/// Items must be independent. For items that share a template, use an interval over templates.
#[must_use]
pub fn mcnemar(lost: u64, gained: u64) -> f64 {
    let (n, few) = (lost + gained, lost.min(gained));
    // ln C(n, k) − n ln 2, from term to term.
    let mut log = -(n as f64) * std::f64::consts::LN_2;
    let mut tail = log.exp();
    for k in 1..=few {
        log += ((n - k + 1) as f64 / k as f64).ln();
        tail += log.exp();
    }
    // Both tails have the middle in common where they meet.
    (2.0 * tail).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected: `scipy.stats.binomtest(lost, lost + gained).pvalue`.
    #[test]
    fn probabilities_are_those_of_the_binomial_test() {
        for (lost, gained, expected) in [
            (0, 0, 1.0),
            (0, 5, 0.0625),
            (5, 0, 0.0625),
            (3, 3, 1.0),
            (2, 8, 0.109375),
            (10, 25, 0.016_673_847_800_120_715),
            (700, 800, 0.010_559_255_466_711_506),
        ] {
            let found = mcnemar(lost, gained);
            assert!((found - expected).abs() < 1e-9, "{lost} {gained}: {found} {expected}");
        }
    }
}
