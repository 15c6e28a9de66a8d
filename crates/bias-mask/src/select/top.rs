//! The selections of published methods: a fraction of a matrix, the paper's set difference, and the
//! weights that carry most of the bias.

use std::slice;

use bias_types::{Convention, ParamPath, ParamScores, TypesError};
use fixedbitset::FixedBitSet;
use rayon::prelude::*;

use super::input_norms::InputNorms;
use super::rank::{Scores, mark_top};
use crate::error::MaskError;
use crate::mask::bits::BitMatrix;
use crate::mask::set::Mask;

/// `⌊fraction · of⌋`
pub(crate) fn share(fraction: f64, of: usize) -> Result<usize, MaskError> {
    if (0.0..=1.0).contains(&fraction) {
        Ok((fraction * of as f64) as usize)
    } else {
        Err(MaskError::Fraction { fraction })
    }
}

pub(crate) fn require(
    scores: &ParamScores,
    convention: Convention,
    needs: &'static str,
) -> Result<(), MaskError> {
    if scores.convention() == convention {
        return Ok(());
    }
    let found = match scores.convention() {
        Convention::Importance => "importance (larger matters more)",
        Convention::BiasCarried => "bias carried (positive carries the gap)",
    };
    Err(MaskError::Convention { path: scores.path().clone(), needs, found })
}

fn top(scores: Scores<'_>, fraction: f64) -> Result<FixedBitSet, MaskError> {
    let k = share(fraction, scores.values.len())?;
    let mut bits = FixedBitSet::with_capacity(scores.values.len());
    mark_top(&[scores], slice::from_mut(&mut bits), k)?;
    Ok(bits)
}

/// The `⌊fraction · numel⌋` highest scores of one matrix.
///
/// # Errors
/// [`MaskError::Fraction`] outside [0, 1], [`MaskError::NanScore`].
pub fn top_fraction(scores: &ParamScores, fraction: f64) -> Result<BitMatrix, MaskError> {
    BitMatrix::from_dense(scores.shape(), &top(scores.into(), fraction)?)
}

/// Weights in the top `fraction` of group `a`'s importance and not of group `b`'s, matrix by
/// matrix: the paper's selection (arXiv 2502.07771), which uses 0.15.
///
/// Besides the scores and the mask it needs two bits per weight of the matrices at hand.
///
/// # Errors
/// As [`top_fraction`]; [`MaskError::Convention`] unless both score importance;
/// [`MaskError::ShapeMismatch`] or [`MaskError::NoSuchParam`] if they score different matrices.
pub fn top_difference(
    a: &[ParamScores],
    b: &[ParamScores],
    fraction: f64,
) -> Result<Mask, MaskError> {
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
        let mut bits = top(a.into(), fraction)?;
        bits.difference_with(&top(b.into(), fraction)?);
        Ok((a.path().clone(), BitMatrix::from_dense(a.shape(), &bits)?))
    });
    let pairs = pairs.collect::<Result<Vec<_>, MaskError>>()?;
    let mut mask = Mask::default();
    pairs.into_iter().try_for_each(|(path, bits)| mask.insert(path, bits))?;
    Ok(mask)
}

/// [`top_difference`] of one matrix by Wanda's scores, `|W_ij| · norm_j` (Sun et al. 2023), which
/// are computed while they are counted and never stored.
///
/// A score is the product in f64, rounded to f32. `norms` are group A's and B's.
///
/// # Shapes
/// `weights`: `[out, in]`, row-major; `norms`: `[in]` each, or [by rows](InputNorms::by_rows).
///
/// # Errors
/// As [`top_fraction`]; [`MaskError::Core`] if the weights do not fill the shape,
/// [`MaskError::Channels`] unless there is one norm per input channel.
pub fn top_difference_scaled<'a>(
    path: &ParamPath,
    weights: &[f32],
    shape: [usize; 2],
    norms: [impl Into<InputNorms<'a>>; 2],
    fraction: f64,
) -> Result<BitMatrix, MaskError> {
    if shape[0].checked_mul(shape[1]) != Some(weights.len()) {
        let (path, found) = (path.to_string(), weights.len());
        return Err(TypesError::ScoreCount { path, shape, found }.into());
    }
    let of = |norms: InputNorms<'_>| {
        norms.check(path, shape[1])?;
        top(Scores { path, values: weights, norms: Some(norms) }, fraction)
    };
    let [a, b] = norms.map(Into::into);
    let mut bits = of(a)?;
    bits.difference_with(&of(b)?);
    BitMatrix::from_dense(shape, &bits)
}

/// The `count` weights that carry most of the bias, over all matrices together, or fewer if fewer
/// score above zero.
///
/// # Errors
/// [`MaskError::Convention`] unless the scores say how much bias a weight carries,
/// [`MaskError::NanScore`], [`MaskError::Count`] for more weights than there are.
pub fn top_k(scores: &[ParamScores], count: usize) -> Result<Mask, MaskError> {
    let available = scores.iter().map(|s| s.values().len()).sum();
    if count > available {
        return Err(MaskError::Count { count, available });
    }
    let mut matrices = Vec::with_capacity(scores.len());
    for s in scores {
        require(s, Convention::BiasCarried, "carriers of bias are selected by signed scores")?;
        matrices.push(FixedBitSet::with_capacity(s.values().len()));
    }
    let positive = |s: &ParamScores| s.values().par_iter().filter(|v| **v > 0.0).count();
    let positive = scores.iter().map(positive).sum();
    let all: Vec<Scores<'_>> = scores.iter().map(Scores::from).collect();
    mark_top(&all, &mut matrices, count.min(positive))?;
    let mut mask = Mask::default();
    for (s, bits) in scores.iter().zip(matrices) {
        mask.insert(s.path().clone(), BitMatrix::from_dense(s.shape(), &bits)?)?;
    }
    Ok(mask)
}

#[cfg(test)]
mod tests {
    use bias_types::{ParamPath, Projection};
    use proptest::prelude::*;

    use super::*;

    fn scores(convention: Convention, values: Vec<f32>) -> ParamScores {
        ParamScores::new(ParamPath::of(0, Projection::Q), [1, values.len()], convention, values)
            .unwrap()
    }

    /// Few distinct values, so that ties are common.
    fn value() -> impl Strategy<Value = f32> {
        prop_oneof![
            (-3i8..4).prop_map(f32::from),
            any::<f32>().prop_filter("number", |v| !v.is_nan())
        ]
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

    /// Long enough for several threads, with rows that end within words and pieces.
    fn long(seed: u32) -> (Vec<f32>, [usize; 2]) {
        let shape = [211, 2999];
        let value = |i: u32| {
            let mixed = (i ^ seed).wrapping_mul(0x9e37_79b9) >> 9;
            (mixed % 4001) as f32 / 4000.0 - 0.5
        };
        ((0..(shape[0] * shape[1]) as u32).map(value).collect(), shape)
    }

    #[test]
    fn threads_select_what_a_stable_sort_does() {
        let (values, _) = long(1);
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| values[b].partial_cmp(&values[a]).unwrap());
        let scores = scores(Convention::Importance, values);
        for p in [0.0, 1e-5, 0.15, 0.5, 0.99, 1.0] {
            let mut expected = order[..(p * order.len() as f64) as usize].to_vec();
            expected.sort_unstable();
            assert!(top_fraction(&scores, p).unwrap().iter().eq(expected), "{p}");
        }
        let equal = self::scores(Convention::Importance, vec![0.0; order.len()]);
        let found = top_fraction(&equal, 0.3).unwrap();
        assert!(found.iter().eq(0..(0.3 * order.len() as f64) as usize));
    }

    /// Made on the fly or stored, scores choose the same weights.
    #[test]
    fn scaled_weights_select_what_their_scores_do() {
        let (weights, shape) = long(2);
        let norms = |by: usize| -> Vec<f64> {
            (0..shape[1]).map(|j| ((j * by) % 97) as f64 / 7.3).collect()
        };
        let (a, b) = (norms(31), norms(57));
        let path = ParamPath::of(0, Projection::Q);
        let stored = |norms: &[f64]| {
            let rows = weights.chunks_exact(shape[1]);
            let row = |row: &'_ [f32]| -> Vec<f32> {
                row.iter().zip(norms).map(|(w, norm)| (f64::from(w.abs()) * norm) as f32).collect()
            };
            [ParamScores::new(
                path.clone(),
                shape,
                Convention::Importance,
                rows.flat_map(row).collect(),
            )
            .unwrap()]
        };
        let expected = top_difference(&stored(&a), &stored(&b), 0.15).unwrap();
        let found = top_difference_scaled(&path, &weights, shape, [&a, &b], 0.15).unwrap();
        assert_eq!(Some(&found), expected.get(&path));
        assert!(found.count() > 1000);

        let try_with =
            |norms: &[f64], shape| top_difference_scaled(&path, &weights, shape, [&a, norms], 0.15);
        assert!(matches!(try_with(&b[1..], shape), Err(MaskError::Channels { .. })));
        assert!(matches!(try_with(&b, [shape[0] + 1, shape[1]]), Err(MaskError::Core(_))));
        let mut broken = b.clone();
        broken[5] = f64::NAN;
        assert!(matches!(try_with(&broken, shape), Err(MaskError::NanScore { index: 5, .. })));
    }

    #[test]
    fn carriers_are_positive_only() {
        let found =
            top_k(&[scores(Convention::BiasCarried, vec![-5.0, 0.0, 2.0, 1.0])], 3).unwrap();
        let bits: Vec<_> = found.iter().flat_map(|(_, bits)| bits.iter()).collect();
        assert_eq!(bits, [2, 3]);
    }

    #[test]
    fn scores_of_the_wrong_kind_are_refused() {
        let signed = [scores(Convention::BiasCarried, vec![1.0])];
        let unsigned = [scores(Convention::Importance, vec![1.0])];
        assert!(matches!(top_k(&unsigned, 1), Err(MaskError::Convention { .. })));
        assert!(matches!(
            top_difference(&signed, &unsigned, 0.5),
            Err(MaskError::Convention { .. })
        ));
        assert!(matches!(top_k(&signed, 2), Err(MaskError::Count { .. })));
        let nan = scores(Convention::Importance, vec![0.0, f32::NAN]);
        assert!(matches!(top_fraction(&nan, 0.5), Err(MaskError::NanScore { index: 1, .. })));
        for p in [-0.1, 1.1, f64::NAN] {
            assert!(matches!(top_fraction(&unsigned[0], p), Err(MaskError::Fraction { .. })));
        }
        let wider = [scores(Convention::Importance, vec![1.0, 2.0])];
        assert!(matches!(
            top_difference(&unsigned, &wider, 0.5),
            Err(MaskError::ShapeMismatch { .. })
        ));
        assert!(matches!(top_difference(&unsigned, &[], 0.5), Err(MaskError::NoSuchParam { .. })));
    }
}
