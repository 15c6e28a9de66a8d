use std::cmp::Ordering;
use std::collections::HashMap;

use bias_types::{Convention, ParamPath, ParamScores};
use rayon::prelude::*;

use super::top::require;
use crate::error::MaskError;
use crate::mask::bits::BitMatrix;
use crate::mask::set::Mask;

/// Selects what [`top_k`](crate::top_k) selects from all scores together, for scores that come
/// matrix by matrix and are not kept.
///
/// It holds at most twice as many weights as may be asked for, and one or two million more, at 12
/// bytes each.
///
/// ```
/// use bias_types::{Convention, ParamPath, ParamScores, Projection};
/// use bias_mask::top_k;
/// use bias_mask::select::StreamingTopK;
///
/// let [q, k] = [Projection::Q, Projection::K].map(|p| ParamPath::of(0, p));
/// let scores = |path: &ParamPath, values: [f32; 3]| {
///     ParamScores::new(path.clone(), [1, 3], Convention::BiasCarried, values.to_vec())
/// };
/// let (of_q, of_k) = (scores(&q, [0.1, -2.0, 3.0])?, scores(&k, [0.2, 0.4, 0.0])?);
///
/// // The order of the matrices decides between equal scores, not that of their coming.
/// let mut top = StreamingTopK::new(2, [q, k]);
/// top.add(&of_k)?;
/// top.add(&of_q)?;
/// assert_eq!(top.mask(2)?, top_k(&[of_q, of_k], 2)?);
/// # Ok::<(), bias_mask::MaskError>(())
/// ```
#[derive(Debug, Clone)]
pub struct StreamingTopK {
    most: usize,
    matrices: Vec<(ParamPath, Option<[usize; 2]>)>,
    order: HashMap<ParamPath, u32>,
    kept: Vec<Kept>,
    /// Scores below this can no longer be among the highest.
    floor: f32,
}

#[derive(Debug, Clone, Copy)]
struct Kept {
    score: f32,
    matrix: u32,
    index: u32,
}

impl Kept {
    /// The higher first, then the earlier.
    fn rank(&self, other: &Self) -> Ordering {
        let by_score = other.score.total_cmp(&self.score);
        by_score.then_with(|| (self.matrix, self.index).cmp(&(other.matrix, other.index)))
    }
}

/// Scores to look at before those that are too low are dropped.
const AT_ONCE: usize = 1 << 20;

/// Scores that one thread looks at.
const SIDE_BY_SIDE: usize = 1 << 16;

impl StreamingTopK {
    /// Prepares masks of up to `most` weights of these matrices. The order of the matrices decides
    /// between equal scores.
    pub fn new(most: usize, matrices: impl IntoIterator<Item = ParamPath>) -> Self {
        let matrices: Vec<_> = matrices.into_iter().map(|path| (path, None)).collect();
        let order = matrices.iter().zip(0..).map(|((path, _), i)| (path.clone(), i)).collect();
        Self { most, matrices, order, kept: Vec::new(), floor: 0.0 }
    }

    /// Adds one matrix's scores. Add every matrix once.
    ///
    /// # Errors
    /// [`MaskError::Convention`] unless the scores say how much bias a weight carries;
    /// [`MaskError::NanScore`]; [`MaskError::NoSuchParam`] for a matrix that is not among those
    /// given or was added before; [`MaskError::TooLarge`] beyond 2³² weights.
    pub fn add(&mut self, scores: &ParamScores) -> Result<(), MaskError> {
        require(scores, Convention::BiasCarried, "carriers of bias are selected by signed scores")?;
        let absent = || MaskError::NoSuchParam { path: scores.path().clone() };
        let matrix = *self.order.get(scores.path()).ok_or_else(absent)?;
        let slot = &mut self.matrices[matrix as usize].1;
        if slot.replace(scores.shape()).is_some() {
            return Err(absent());
        }
        if u32::try_from(scores.values().len()).is_err() {
            return Err(MaskError::TooLarge { shape: scores.shape() });
        }
        if let Some(index) = scores.values().par_iter().position_any(|v| v.is_nan()) {
            return Err(MaskError::NanScore { path: scores.path().clone(), index });
        }
        for (piece, values) in scores.values().chunks(AT_ONCE).enumerate() {
            // A single comparison, because the branch predictor cannot guess the sign.
            let least = self.floor.max(f32::from_bits(1));
            let kept = values.par_chunks(SIDE_BY_SIDE).enumerate().map(|(part, values)| {
                let first = piece * AT_ONCE + part * SIDE_BY_SIDE;
                let high = values.iter().enumerate().filter(|(_, score)| **score >= least);
                let kept = high.map(|(i, score)| Kept {
                    score: *score,
                    matrix,
                    index: (first + i) as u32,
                });
                kept.collect::<Vec<_>>()
            });
            self.kept.par_extend(kept.flatten());
            if self.kept.len() >= self.most.saturating_mul(2).max(AT_ONCE) {
                self.let_go();
            }
        }
        Ok(())
    }

    /// Drops all but the highest.
    fn let_go(&mut self) {
        if self.kept.len() <= self.most {
            return;
        }
        if self.most == 0 {
            self.kept.clear();
            self.floor = f32::INFINITY;
            return;
        }
        let (_, last, _) = self.kept.select_nth_unstable_by(self.most - 1, Kept::rank);
        self.floor = last.score;
        self.kept.truncate(self.most);
    }

    /// The `count` highest weights, or fewer if fewer score above zero.
    ///
    /// # Errors
    /// [`MaskError::Count`] for more than `most` weights.
    pub fn mask(&self, count: usize) -> Result<Mask, MaskError> {
        if count > self.most {
            return Err(MaskError::Count { count, available: self.most });
        }
        let mut kept = self.kept.clone();
        if count < kept.len() && count > 0 {
            kept.select_nth_unstable_by(count - 1, Kept::rank);
        }
        kept.truncate(count);
        let mut chosen: Vec<Option<BitMatrix>> = Vec::with_capacity(self.matrices.len());
        for (_, shape) in &self.matrices {
            chosen.push(shape.map(BitMatrix::new).transpose()?);
        }
        for Kept { matrix, index, .. } in kept {
            if let Some(bits) = &mut chosen[matrix as usize] {
                bits.insert(index as usize)?;
            }
        }
        let mut mask = Mask::default();
        for ((path, _), bits) in self.matrices.iter().zip(chosen) {
            if let Some(bits) = bits {
                mask.insert(path.clone(), bits)?;
            }
        }
        Ok(mask)
    }
}

#[cfg(test)]
mod tests {
    use bias_types::Projection;
    use proptest::prelude::*;

    use super::*;
    use crate::select::top::top_k;

    fn path(layer: usize) -> ParamPath {
        ParamPath::of(layer, Projection::Q)
    }

    fn scores(layer: usize, values: &[f32]) -> ParamScores {
        ParamScores::new(path(layer), [1, values.len()], Convention::BiasCarried, values.to_vec())
            .unwrap()
    }

    proptest! {
        /// Few distinct values, so that ties are common; matrices come backwards.
        #[test]
        fn what_comes_piece_by_piece_is_selected_as_from_all_together(
            all in prop::collection::vec(prop::collection::vec((-3i8..4).prop_map(f32::from), 1..40), 1..6),
            count in 0usize..120,
        ) {
            let all: Vec<_> = all.iter().enumerate().map(|(layer, values)| scores(layer, values)).collect();
            let count = count.min(all.iter().map(|s| s.values().len()).sum());
            let mut top = StreamingTopK::new(count, (0..all.len()).map(path));
            for own in all.iter().rev() {
                top.add(own).unwrap();
                top.let_go();
            }
            prop_assert_eq!(top.mask(count).unwrap(), top_k(&all, count).unwrap());
            prop_assert_eq!(top.mask(count / 2).unwrap(), top_k(&all, count / 2).unwrap());
        }
    }

    #[test]
    fn many_scores_are_let_go_of_on_the_way() {
        let values: Vec<f32> =
            (0..3 * AT_ONCE + 7).map(|i| (i * 7919 % 100_003) as f32 - 5e4).collect();
        let own = scores(0, &values);
        let mut top = StreamingTopK::new(1000, [path(0)]);
        top.add(&own).unwrap();
        assert!(top.kept.len() < 2 * AT_ONCE);
        assert_eq!(top.mask(1000).unwrap(), top_k(&[own], 1000).unwrap());
    }

    #[test]
    fn what_cannot_be_selected_from_is_refused() {
        let mut top = StreamingTopK::new(1, [path(0)]);
        top.add(&scores(0, &[1.0])).unwrap();
        assert!(matches!(top.add(&scores(0, &[1.0])), Err(MaskError::NoSuchParam { .. })));
        assert!(matches!(top.add(&scores(1, &[1.0])), Err(MaskError::NoSuchParam { .. })));
        assert!(matches!(top.mask(2), Err(MaskError::Count { count: 2, available: 1 })));
        let mut top = StreamingTopK::new(1, [path(0)]);
        assert!(matches!(
            top.add(&scores(0, &[f32::NAN])),
            Err(MaskError::NanScore { index: 0, .. })
        ));
    }
}
