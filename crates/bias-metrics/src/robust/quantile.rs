use crate::effect::values::{NameAnswers, pooled};
use crate::error::MetricError;

/// The `q` quantile of `(value, weight)` pairs, as the inverse of their distribution
/// function: the smallest value whose cumulative weight reaches `q` times the total.
///
/// It equals numpy's `quantile(…, weights=…, method="inverted_cdf")` and is always one of the
/// values. Pairs of weight 0 do not count.
///
/// # Errors
/// [`MetricError::BadQuantile`] outside \[0, 1\], [`MetricError::NotFinite`],
/// [`MetricError::BadWeight`], and [`MetricError::NoValues`] without weight.
pub fn weighted_quantile(values: &[(f64, f64)], q: f64) -> Result<f64, MetricError> {
    let [value] = weighted_quantiles(values, [q])?;
    Ok(value)
}

/// Several quantiles for one sort.
pub(crate) fn weighted_quantiles<const N: usize>(
    values: &[(f64, f64)],
    qs: [f64; N],
) -> Result<[f64; N], MetricError> {
    if let Some(&q) = qs.iter().find(|q| !(0.0..=1.0).contains(*q)) {
        return Err(MetricError::BadQuantile { low: q, high: q });
    }
    if let Some(&(_, weight)) = values.iter().find(|v| !v.1.is_finite() || v.1 < 0.0) {
        return Err(MetricError::BadWeight { weight });
    }
    if values.iter().any(|v| !v.0.is_finite()) {
        return Err(MetricError::NotFinite { what: "quantile" });
    }
    let mut sorted: Vec<(f64, f64)> = values.iter().copied().filter(|v| v.1 > 0.0).collect();
    sorted.sort_by(|x, y| x.0.total_cmp(&y.0));
    let mut reached = 0.0;
    for (_, weight) in &mut sorted {
        reached += *weight;
        *weight = reached;
    }
    let Some(&(largest, total)) = sorted.last() else {
        return Err(MetricError::NoValues { what: "quantile" });
    };
    // Dividing, as numpy does: k/n equals the literal, where q·n may round past k.
    let quantile = |q| {
        let below = sorted.partition_point(|v| v.1 / total < q);
        sorted.get(below).map_or(largest, |v| v.0)
    };
    Ok(qs.map(quantile))
}

/// Clamps every value to the `low` and `high` quantiles of the variation, pooled over
/// all its names and both arms.
///
/// The paper winsorises at 0.01 and 0.99 per variation (its public code computes this and then
/// returns the raw data). Quantiles as in [`weighted_quantile`].
///
/// # Errors
/// As [`weighted_quantile`], and [`MetricError::BadQuantile`] when `low > high`; the
/// answers are then untouched.
pub fn winsorise(answers: &mut [NameAnswers], low: f64, high: f64) -> Result<(), MetricError> {
    if !(0.0 <= low && low <= high && high <= 1.0) {
        return Err(MetricError::BadQuantile { low, high });
    }
    let [least, most] = weighted_quantiles(&pooled(answers), [low, high])?;
    for (value, _) in answers.iter_mut().flat_map(|a| a.values.iter_mut()) {
        *value = value.clamp(least, most);
    }
    Ok(())
}

/// The `q` quantile of sorted values, interpolated linearly between neighbours (numpy's default);
/// `None` if there are none.
pub(crate) fn interpolated_quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let place = q * (sorted.len().checked_sub(1)? as f64);
    let below = *sorted.get(place.floor() as usize)?;
    let above = *sorted.get(place.ceil() as usize)?;
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arm::Arm;

    #[test]
    fn inverse_of_the_distribution() {
        let values = [(3.0, 1.0), (1.0, 2.0), (9.0, 0.0), (0.0, 0.0), (2.0, 1.0)];
        let q = |q| weighted_quantile(&values, q).unwrap();
        assert_eq!(
            [q(0.0), q(0.5), q(0.51), q(0.75), q(0.76), q(1.0)],
            [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]
        );
    }

    #[test]
    fn bad_input_is_refused() {
        let one = [(1.0, 1.0)];
        assert!(matches!(weighted_quantile(&one, 1.1), Err(MetricError::BadQuantile { .. })));
        assert!(matches!(weighted_quantile(&one, f64::NAN), Err(MetricError::BadQuantile { .. })));
        assert!(matches!(
            weighted_quantile(&[(1.0, -1.0)], 0.5),
            Err(MetricError::BadWeight { .. })
        ));
        assert!(matches!(
            weighted_quantile(&[(f64::NAN, 1.0)], 0.5),
            Err(MetricError::NotFinite { .. })
        ));
        assert!(matches!(weighted_quantile(&[(1.0, 0.0)], 0.5), Err(MetricError::NoValues { .. })));
        let mut none = [NameAnswers {
            arm: Arm::A,
            values: vec![],
            unparsed: 1.0,
            unexplored: 0.0,
            error: Some(0.0),
        }];
        assert!(matches!(winsorise(&mut none, 0.01, 0.99), Err(MetricError::NoValues { .. })));
        assert!(matches!(winsorise(&mut none, 0.9, 0.1), Err(MetricError::BadQuantile { .. })));
    }

    #[test]
    fn interpolation() {
        let q = |q| interpolated_quantile(&[1.0, 2.0, 4.0], q).unwrap();
        assert_eq!([q(0.0), q(0.25), q(0.5), q(0.75), q(1.0)], [1.0, 1.5, 2.0, 3.0, 4.0]);
        assert_eq!(interpolated_quantile(&[], 0.5), None);
    }

    proptest! {
        #[test]
        fn a_weight_counts_repetitions(pairs in prop::collection::vec((-50i32..50, 0u8..4), 1..20), q in 0.0..=1.0) {
            let weighted: Vec<(f64, f64)> = pairs.iter().map(|&(v, w)| (v.into(), w.into())).collect();
            let spread: Vec<(f64, f64)> =
                pairs.iter().flat_map(|&(v, w)| vec![(f64::from(v), 1.0); w.into()]).collect();
            prop_assert_eq!(weighted_quantile(&weighted, q), weighted_quantile(&spread, q));
        }

        #[test]
        fn winsorising_only_moves_values_inwards(values in prop::collection::vec((-1e6..1e6, 0.1..3.0), 1..40)) {
            let raw = vec![NameAnswers { arm: Arm::B, values, unparsed: 0.0, unexplored: 0.0, error: Some(0.0) }];
            let mut clamped = raw.clone();
            winsorise(&mut clamped, 0.1, 0.8).unwrap();
            let low = weighted_quantile(&raw[0].values, 0.1).unwrap();
            let high = weighted_quantile(&raw[0].values, 0.8).unwrap();
            for (before, after) in raw[0].values.iter().zip(&clamped[0].values) {
                prop_assert!((low..=high).contains(&after.0));
                prop_assert!(before.0 == after.0 || !(low..=high).contains(&before.0));
            }
        }
    }
}
