use std::slice;

use bias_types::ParamScores;
use fixedbitset::FixedBitSet;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::rank::{Scores, mark_blocks, mark_top};
use super::top::{require, share};
use crate::error::MaskError;
use crate::mask::bits::BitMatrix;
use crate::mask::set::Mask;

/// The scores that are compared with each other, and how many of them are chosen.
///
/// Of each group the `⌊fraction · size⌋` *highest* scores are chosen. To prune the least important
/// weights, as wanda does, choose the most important ones and take the
/// [complement](Mask::complement).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ComparisonGroup {
    /// Each matrix, by a fraction: the paper's (arXiv 2502.07771).
    Matrix(f64),
    /// Each output row, by a fraction: wanda's (arXiv 2306.11695).
    Row(f64),
    /// All matrices together, by a fraction. Of equal scores, those of the matrix that comes first
    /// are chosen first.
    Global(f64),
    /// Every `m` consecutive inputs of a row, from its start: the `n` highest are chosen (n:m). Of
    /// a shorter last block of length `l`, `⌊n · l / m⌋` are chosen.
    Block {
        /// Number of weights chosen from each block.
        n: usize,
        /// Length of a block.
        m: usize,
    },
}

/// The highest scores of each comparison group. Of equal scores, those with a lower flat index are
/// chosen first.
///
/// # Errors
/// [`MaskError::NoScores`] for nothing to choose from, [`MaskError::Fraction`] outside
/// [0, 1], [`MaskError::Block`] unless `n ≤ m` and `m > 0`, [`MaskError::NanScore`],
/// [`MaskError::Duplicate`] for a matrix given twice, and [`MaskError::Convention`] when
/// conventions are mixed.
pub fn select(scores: &[ParamScores], group: ComparisonGroup) -> Result<Mask, MaskError> {
    let convention = scores.first().ok_or(MaskError::NoScores)?.convention();
    let mut matrices = Vec::with_capacity(scores.len());
    for s in scores {
        require(s, convention, "scores are compared with those of one convention")?;
        matrices.push(FixedBitSet::with_capacity(s.values().len()));
    }
    let all: Vec<Scores<'_>> = scores.iter().map(Scores::from).collect();
    let each = all.par_iter().zip(&mut matrices);
    match group {
        ComparisonGroup::Matrix(fraction) => each.try_for_each(|(s, bits)| {
            let k = share(fraction, s.values.len())?;
            mark_top(slice::from_ref(s), slice::from_mut(bits), k)
        }),
        ComparisonGroup::Row(fraction) => each.zip(scores).try_for_each(|((s, bits), own)| {
            let columns = own.shape()[1];
            let k = share(fraction, columns)?;
            mark_blocks(*s, bits, columns, columns, |_| k)
        }),
        ComparisonGroup::Global(fraction) => {
            let k = share(fraction, all.iter().map(|s| s.values.len()).sum())?;
            mark_top(&all, &mut matrices, k)
        }
        ComparisonGroup::Block { n, m } if n <= m && m > 0 => {
            let part = |len: usize| (n as u128 * len as u128 / m as u128) as usize;
            each.zip(scores)
                .try_for_each(|((s, bits), own)| mark_blocks(*s, bits, own.shape()[1], m, part))
        }
        ComparisonGroup::Block { n, m } => Err(MaskError::Block { n, m }),
    }?;
    let mut mask = Mask::default();
    for (s, bits) in scores.iter().zip(matrices) {
        if mask.get(s.path()).is_some() {
            return Err(MaskError::Duplicate { path: s.path().clone() });
        }
        mask.insert(s.path().clone(), BitMatrix::from_dense(s.shape(), &bits)?)?;
    }
    Ok(mask)
}

#[cfg(test)]
mod tests {
    use bias_types::{Convention, ParamPath, Projection};
    use proptest::prelude::*;

    use super::*;

    fn scores(layer: usize, shape: [usize; 2], values: Vec<f32>) -> ParamScores {
        ParamScores::new(ParamPath::of(layer, Projection::Q), shape, Convention::Importance, values)
            .unwrap()
    }

    /// Few distinct values, so that ties are common.
    fn value() -> impl Strategy<Value = f32> {
        prop_oneof![
            (-3i8..4).prop_map(f32::from),
            any::<f32>().prop_filter("number", |v| !v.is_nan())
        ]
    }

    fn matrix(layer: usize) -> impl Strategy<Value = ParamScores> {
        (1usize..20, 1usize..20).prop_flat_map(move |(rows, columns)| {
            let values = prop::collection::vec(value(), rows * columns);
            values.prop_map(move |values| scores(layer, [rows, columns], values))
        })
    }

    /// The places of the `k` highest, by a stable sort.
    fn highest(values: impl Iterator<Item = f32>, k: impl Fn(usize) -> usize) -> Vec<usize> {
        let values: Vec<f32> = values.collect();
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| values[b].partial_cmp(&values[a]).unwrap());
        order.truncate(k(values.len()));
        order.sort_unstable();
        order
    }

    fn found(mask: &Mask) -> Vec<Vec<usize>> {
        mask.iter().map(|(_, bits)| bits.iter().collect()).collect()
    }

    proptest! {
        #[test]
        fn every_group_equals_a_stable_sort(a in matrix(0), b in matrix(1), p in 0.0f64..=1.0, n in 0usize..9, m in 1usize..9) {
            let both = [a, b];
            let take = |len: usize| (p * len as f64) as usize;
            let by = |width: fn(&ParamScores, usize) -> usize, k: &dyn Fn(usize) -> usize| -> Vec<Vec<usize>> {
                let of = |s: &ParamScores| {
                    let columns = s.shape()[1];
                    let rows = s.values().chunks(columns).enumerate();
                    let blocks = rows.flat_map(|(r, row)| {
                        row.chunks(width(s, m)).enumerate().map(move |(i, block)| (r * columns + i * width(s, m), block))
                    });
                    let own = blocks.flat_map(|(from, block)| {
                        highest(block.iter().copied(), k).into_iter().map(move |i| from + i)
                    });
                    own.collect()
                };
                both.iter().map(of).collect()
            };
            let all = |s: &ParamScores| highest(s.values().iter().copied(), take);
            let expected: Vec<_> = both.iter().map(all).collect();
            prop_assert_eq!(found(&select(&both, ComparisonGroup::Matrix(p)).unwrap()), expected);

            let rows = by(|s, _| s.shape()[1], &take);
            prop_assert_eq!(found(&select(&both, ComparisonGroup::Row(p)).unwrap()), rows);

            let n = n.min(m);
            let blocks = by(|_, m| m, &|len| n * len / m);
            prop_assert_eq!(found(&select(&both, ComparisonGroup::Block { n, m }).unwrap()), blocks);

            let first = both[0].values().len();
            let together = highest(both.iter().flat_map(|s| s.values().iter().copied()), take);
            let (left, right): (Vec<usize>, Vec<usize>) = together.into_iter().partition(|i| *i < first);
            let right: Vec<usize> = right.into_iter().map(|i| i - first).collect();
            prop_assert_eq!(found(&select(&both, ComparisonGroup::Global(p)).unwrap()), [left, right]);
        }
    }

    #[test]
    fn two_of_four_keep_the_share_of_a_shorter_block() {
        let scores = scores(0, [1, 7], vec![1.0, 4.0, 3.0, 2.0, 5.0, 7.0, 6.0]);
        let mask = select(&[scores], ComparisonGroup::Block { n: 2, m: 4 }).unwrap();
        assert_eq!(found(&mask), [[1, 2, 5]]);
    }

    #[test]
    fn what_cannot_be_selected_from_is_refused() {
        let one = scores(0, [1, 2], vec![1.0, 2.0]);
        let half = [
            ComparisonGroup::Matrix(0.5),
            ComparisonGroup::Row(0.5),
            ComparisonGroup::Global(0.5),
            ComparisonGroup::Block { n: 1, m: 2 },
        ];
        for group in half {
            assert!(matches!(select(&[], group), Err(MaskError::NoScores)));
            let nan = [one.clone(), scores(1, [1, 2], vec![0.0, f32::NAN])];
            let refused = select(&nan, group);
            assert!(
                matches!(&refused, Err(MaskError::NanScore { path, index: 1 }) if path.layer() == Some(1)),
                "{group:?}: {refused:?}"
            );
            let twice = [one.clone(), one.clone()];
            assert!(matches!(select(&twice, group), Err(MaskError::Duplicate { .. })));
            let signed =
                ParamScores::new(one.path().clone(), [0, 4], Convention::BiasCarried, vec![])
                    .unwrap();
            assert!(matches!(
                select(&[one.clone(), signed.clone()], group),
                Err(MaskError::Convention { .. })
            ));
            assert_eq!(select(&[signed], group).unwrap().count(), 0);
        }
        for p in [-0.1, 1.1, f64::NAN] {
            for group in
                [ComparisonGroup::Matrix(p), ComparisonGroup::Row(p), ComparisonGroup::Global(p)]
            {
                assert!(matches!(
                    select(slice::from_ref(&one), group),
                    Err(MaskError::Fraction { .. })
                ));
            }
        }
        for (n, m) in [(3, 2), (0, 0)] {
            let refused = select(slice::from_ref(&one), ComparisonGroup::Block { n, m });
            assert!(matches!(refused, Err(MaskError::Block { .. })));
        }
        let long = ComparisonGroup::Block { n: usize::MAX, m: usize::MAX };
        assert_eq!(select(slice::from_ref(&one), long).unwrap().count(), 2);
    }
}
