//! Exact selection: the `k` highest scores, ties to the lower index.
//!
//! A score becomes a `u32` that sorts the same way; the `k`-th largest is then
//! found by counting, first the upper and then the lower 16 bits. Three passes
//! over the scores, 256 KiB of counters, no copy and no sort.

use bias_core::{Convention, ParamScores};
use rayon::prelude::*;

use crate::{BitMatrix, Mask, MaskError};

/// `f32` to `u32` so that order is kept; `-0.0` equals `0.0`.
fn key(score: f32) -> u32 {
    let bits = (score + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// The `k`-th largest key, and how many keys equal to it are among the first `k`.
fn threshold(scores: &[&[f32]], k: usize) -> Option<(u32, usize)> {
    fn bucket(counts: &[usize], mut left: usize) -> Option<(u32, usize)> {
        for (bucket, &count) in counts.iter().enumerate().rev() {
            if left <= count {
                return Some((bucket as u32, left));
            }
            left -= count;
        }
        None
    }
    let keys = || scores.iter().flat_map(|values| values.iter()).map(|&score| key(score));
    let mut counts = vec![0usize; 1 << 16];
    keys().for_each(|key| counts[(key >> 16) as usize] += 1);
    let (upper, left) = bucket(&counts, k)?;
    counts.fill(0);
    keys().filter(|key| key >> 16 == upper).for_each(|key| counts[(key & 0xffff) as usize] += 1);
    let (lower, left) = bucket(&counts, left)?;
    Some((upper << 16 | lower, left))
}

fn refuse_nan(scores: &ParamScores) -> Result<(), MaskError> {
    match scores.values().iter().position(|v| v.is_nan()) {
        Some(index) => Err(MaskError::NanScore { path: scores.path().clone(), index }),
        None => Ok(()),
    }
}

fn require(scores: &ParamScores, convention: Convention, needs: &'static str) -> Result<(), MaskError> {
    if scores.convention() == convention {
        return Ok(());
    }
    let found = match scores.convention() {
        Convention::Importance => "importance (larger matters more)",
        Convention::BiasCarried => "bias carried (positive carries the gap)",
    };
    Err(MaskError::Convention { path: scores.path().clone(), needs, found })
}

/// The `⌊fraction · numel⌋` highest scores of one matrix.
///
/// # Errors
/// [`MaskError::Fraction`] outside [0, 1], [`MaskError::NanScore`].
pub fn top_fraction(scores: &ParamScores, fraction: f64) -> Result<BitMatrix, MaskError> {
    if !(0.0..=1.0).contains(&fraction) {
        return Err(MaskError::Fraction { fraction });
    }
    refuse_nan(scores)?;
    let mut bits = BitMatrix::new(scores.shape())?;
    let k = (fraction * scores.values().len() as f64) as usize;
    take(std::slice::from_ref(scores), k, |_, index| bits.insert(index))?;
    Ok(bits)
}

/// Weights in the top `fraction` of group `a`'s importance and not of group `b`'s,
/// matrix by matrix: the paper's selection (arXiv 2502.07771), with its 0.15 there.
///
/// # Errors
/// As [`top_fraction`]; [`MaskError::Convention`] unless both score importance;
/// [`MaskError::ShapeMismatch`] or [`MaskError::NoSuchParam`] when they score
/// different matrices.
pub fn top_difference(a: &[ParamScores], b: &[ParamScores], fraction: f64) -> Result<Mask, MaskError> {
    if let Some(longer) = if a.len() > b.len() { a.get(b.len()) } else { b.get(a.len()) } {
        return Err(MaskError::NoSuchParam { path: longer.path().clone() });
    }
    let pairs = a.par_iter().zip(b).map(|(a, b)| {
        if a.path() != b.path() {
            return Err(MaskError::NoSuchParam { path: b.path().clone() });
        }
        if a.shape() != b.shape() {
            return Err(MaskError::ShapeMismatch {
                path: a.path().clone(),
                expected: a.shape(),
                found: b.shape(),
            });
        }
        for scores in [a, b] {
            require(scores, Convention::Importance, "a set difference compares importances")?;
        }
        let mut bits = top_fraction(a, fraction)?;
        bits.difference_with(&top_fraction(b, fraction)?);
        Ok((a.path().clone(), bits))
    });
    let pairs = pairs.collect::<Result<Vec<_>, MaskError>>()?;
    let mut mask = Mask::default();
    pairs.into_iter().try_for_each(|(path, bits)| mask.insert(path, bits))?;
    Ok(mask)
}

/// The `count` weights that carry most of the bias, over all matrices together; fewer
/// when fewer score above zero.
///
/// # Errors
/// [`MaskError::Convention`] unless the scores say how much bias a weight carries,
/// [`MaskError::NanScore`], [`MaskError::Count`] for more weights than there are.
pub fn top_carriers(scores: &[ParamScores], count: usize) -> Result<Mask, MaskError> {
    let available = scores.iter().map(|s| s.values().len()).sum();
    if count > available {
        return Err(MaskError::Count { count, available });
    }
    let mut matrices = Vec::with_capacity(scores.len());
    for s in scores {
        require(s, Convention::BiasCarried, "carriers of bias are selected by signed scores")?;
        refuse_nan(s)?;
        matrices.push(BitMatrix::new(s.shape())?);
    }
    let positive = scores.iter().flat_map(|s| s.values()).filter(|v| **v > 0.0).count();
    take(scores, count.min(positive), |matrix, index| {
        let bits = matrices.get_mut(matrix);
        bits.map_or(Ok(()), |bits| bits.insert(index))
    })?;
    let mut mask = Mask::default();
    scores.iter().zip(matrices).try_for_each(|(s, bits)| mask.insert(s.path().clone(), bits))?;
    Ok(mask)
}

/// Calls `chosen(matrix, index)` for the `k` highest scores over all matrices.
fn take(
    scores: &[ParamScores],
    k: usize,
    mut chosen: impl FnMut(usize, usize) -> Result<(), MaskError>,
) -> Result<(), MaskError> {
    if k == 0 {
        return Ok(());
    }
    let values: Vec<&[f32]> = scores.iter().map(ParamScores::values).collect();
    let Some((threshold, mut ties)) = threshold(&values, k) else { return Ok(()) };
    for (matrix, values) in values.iter().enumerate() {
        for (index, &score) in values.iter().enumerate() {
            let key = key(score);
            if key > threshold {
                chosen(matrix, index)?;
            } else if key == threshold && ties > 0 {
                ties -= 1;
                chosen(matrix, index)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bias_core::{ParamPath, Projection};
    use proptest::prelude::*;

    use super::*;

    fn scores(convention: Convention, values: Vec<f32>) -> ParamScores {
        ParamScores::new(ParamPath::of(0, Projection::Q), [1, values.len()], convention, values).unwrap()
    }

    /// Few distinct values, so that ties are common.
    fn value() -> impl Strategy<Value = f32> {
        prop_oneof![(-3i8..4).prop_map(f32::from), any::<f32>().prop_filter("number", |v| !v.is_nan())]
    }

    proptest! {
        #[test]
        fn selection_equals_a_stable_sort(values in prop::collection::vec(value(), 1..200), p in 0.0f64..=1.0) {
            let mut order: Vec<usize> = (0..values.len()).collect();
            order.sort_by(|&a, &b| values[b].partial_cmp(&values[a]).unwrap().then(a.cmp(&b)));
            let mut expected = order[..(p * values.len() as f64) as usize].to_vec();
            expected.sort_unstable();
            let found = top_fraction(&scores(Convention::Importance, values), p).unwrap();
            prop_assert_eq!(found.iter().collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn carriers_are_positive_only() {
        let found = top_carriers(&[scores(Convention::BiasCarried, vec![-5.0, 0.0, 2.0, 1.0])], 3).unwrap();
        let bits: Vec<_> = found.iter().flat_map(|(_, bits)| bits.iter()).collect();
        assert_eq!(bits, [2, 3]);
    }

    #[test]
    fn scores_of_the_wrong_kind_are_refused() {
        let signed = [scores(Convention::BiasCarried, vec![1.0])];
        let unsigned = [scores(Convention::Importance, vec![1.0])];
        assert!(matches!(top_carriers(&unsigned, 1), Err(MaskError::Convention { .. })));
        assert!(matches!(top_difference(&signed, &unsigned, 0.5), Err(MaskError::Convention { .. })));
        assert!(matches!(top_carriers(&signed, 2), Err(MaskError::Count { .. })));
        let nan = scores(Convention::Importance, vec![0.0, f32::NAN]);
        assert!(matches!(top_fraction(&nan, 0.5), Err(MaskError::NanScore { index: 1, .. })));
        for p in [-0.1, 1.1, f64::NAN] {
            assert!(matches!(top_fraction(&unsigned[0], p), Err(MaskError::Fraction { .. })));
        }
        let wider = [scores(Convention::Importance, vec![1.0, 2.0])];
        assert!(matches!(top_difference(&unsigned, &wider, 0.5), Err(MaskError::ShapeMismatch { .. })));
        assert!(matches!(top_difference(&unsigned, &[], 0.5), Err(MaskError::NoSuchParam { .. })));
    }
}
