//! The exact `k` highest of many scores, ties to the lower index.
//!
//! Each score is mapped to a `u32` that sorts the same way. Counting finds the `k`-th largest,
//! first by the upper and then by the lower 16 bits. A last pass writes the bits a word at a time.
//! These are three passes on all cores with 512 KiB of counters per thread, without a copy of the
//! scores and without a sort.

use bias_types::{ParamPath, ParamScores};
use fixedbitset::FixedBitSet;
use rayon::prelude::*;

use super::input_norms::InputNorms;
use crate::error::MaskError;

/// Bits that are written together.
const WORD: usize = usize::BITS as usize;
/// Scores that are read together: 16 KiB, which fit the fastest cache and fill whole words of bits.
const PIECE: usize = 1 << 12;
/// Number of pieces from which on a further thread is worth its cost.
const JOB: usize = 32;
const BUCKETS: usize = 1 << 16;

/// The key of NaN, above every number's key.
const NAN: u32 = u32::MAX;

/// `f32` to `u32` so that order is kept; `-0.0` equals `0.0`.
pub(crate) fn key(score: f32) -> u32 {
    if score.is_nan() {
        return NAN;
    }
    let bits = (score + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// The score with this [`key`].
pub(crate) fn score_of(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key & !(1 << 31) } else { !key })
}

/// The scores of one matrix: stored, or computed from its weights each time they are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scores<'a> {
    pub path: &'a ParamPath,
    /// Row-major, `[out, in]`.
    pub values: &'a [f32],
    /// If present, the scores are `|values_ij| · norms_j`.
    pub norms: Option<InputNorms<'a>>,
}

impl<'a> From<&'a ParamScores> for Scores<'a> {
    fn from(scores: &'a ParamScores) -> Self {
        Self { path: scores.path(), values: scores.values(), norms: None }
    }
}

impl<'a> Scores<'a> {
    fn pieces(self) -> usize {
        self.values.len().div_ceil(PIECE)
    }

    /// The scores from `PIECE · at` on. `made` is a buffer for scores that have to be computed.
    fn piece<'b>(self, at: usize, made: &'b mut Vec<f32>) -> &'b [f32]
    where
        'a: 'b,
    {
        let from = at * PIECE;
        let values = &self.values[from..self.values.len().min(from + PIECE)];
        let Some(norms) = self.norms else { return values };
        made.clear();
        let columns = norms.columns();
        let (mut rest, mut row, mut column) = (values, from / columns, from % columns);
        while !rest.is_empty() {
            let (own, below) = rest.split_at(rest.len().min(columns - column));
            made.extend(
                own.iter()
                    .zip(&norms.of_row(row)[column..])
                    .map(|(w, norm)| (f64::from(w.abs()) * norm) as f32),
            );
            (rest, row, column) = (below, row + 1, 0);
        }
        made
    }

    /// The first score that is NaN.
    pub fn nan(self) -> Option<MaskError> {
        let mut made = Vec::new();
        (0..self.pieces()).find_map(|at| {
            let within = self.piece(at, &mut made).iter().position(|score| score.is_nan())?;
            Some(MaskError::NanScore { path: self.path.clone(), index: at * PIECE + within })
        })
    }
}

/// Sets the bits of the `k` highest scores over all matrices together. Of equal scores, those of
/// the matrix that comes first are chosen first, and within a matrix those with the lower index.
///
/// `bits` must be clear, and match `scores` in number and sizes.
pub(crate) fn mark_top(
    scores: &[Scores<'_>],
    bits: &mut [FixedBitSet],
    k: usize,
) -> Result<(), MaskError> {
    let counts = count(scores, count_upper);
    if counts[(NAN >> 16) as usize] > 0 {
        return scores.iter().find_map(|s| s.nan()).map_or(Ok(()), Err);
    }
    let Some((upper, left)) = (k > 0).then(|| reach(&counts, k)).flatten() else { return Ok(()) };
    let counts = count(scores, |counts, piece| count_lower(counts, piece, upper));
    let Some((lower, ties)) = reach(&counts, left) else { return Ok(()) };
    let threshold = score_of(upper << 16 | lower);
    scores.iter().zip(&mut *bits).for_each(|(s, bits)| mark_from(*s, bits, threshold));
    unmark_last(scores, bits, threshold, counts[lower as usize] - ties);
    Ok(())
}

/// Counts all scores, piece by piece, on all cores.
fn count(scores: &[Scores<'_>], add: impl Fn(&mut [usize], &[f32]) + Sync) -> Vec<usize> {
    let none = || vec![0; BUCKETS];
    let pieces = scores.par_iter().flat_map(|s| {
        let pieces = (0..s.pieces()).into_par_iter().with_min_len(JOB);
        pieces.map(move |at| (*s, at))
    });
    let counted = pieces.fold(
        || (none(), Vec::new()),
        |(mut counts, mut made), (scores, at)| {
            add(&mut counts, scores.piece(at, &mut made));
            (counts, made)
        },
    );
    counted.map(|(counts, _)| counts).reduce(none, |mut sum, counts| {
        sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        sum
    })
}

// The loops below are written so that the compiler vectorises them.

/// Counts scores by the upper half of their keys.
fn count_upper(counts: &mut [usize], piece: &[f32]) {
    let mut keys = [0u16; 1024];
    for scores in piece.chunks(keys.len()) {
        keys.iter_mut().zip(scores).for_each(|(own, score)| *own = (key(*score) >> 16) as u16);
        keys[..scores.len()].iter().for_each(|key| counts[usize::from(*key)] += 1);
    }
}

/// Counts the scores with a given upper half, which are few, by the lower half.
fn count_lower(counts: &mut [usize], piece: &[f32], upper: u32) {
    let within = |score: &f32| key(*score) >> 16 == upper;
    for scores in piece.chunks(32) {
        if scores.iter().fold(false, |any, score| any | within(score)) {
            let found = scores.iter().filter(|score| within(score));
            found.for_each(|score| counts[(key(*score) & 0xffff) as usize] += 1);
        }
    }
}

/// The bucket that holds the `k`-th largest score, and the score's rank within the bucket, from 1.
fn reach(counts: &[usize], mut k: usize) -> Option<(u32, usize)> {
    for (bucket, &count) in counts.iter().enumerate().rev() {
        if k <= count {
            return Some((bucket as u32, k));
        }
        k -= count;
    }
    None
}

/// Sets the bits of all scores from `threshold` up.
fn mark_from(scores: Scores<'_>, bits: &mut FixedBitSet, threshold: f32) {
    let half = |scores: &[f32]| {
        let bit = |(i, score): (usize, &f32)| u32::from(*score >= threshold) << i;
        scores.iter().enumerate().map(bit).fold(0, |word, bit| word | bit)
    };
    let pieces = bits.as_mut_slice().par_chunks_mut(PIECE / WORD).enumerate().with_min_len(JOB);
    pieces.for_each_init(Vec::new, |made, (at, words)| {
        for (word, scores) in words.iter_mut().zip(scores.piece(at, made).chunks(WORD)) {
            let (low, high) = scores.split_at(scores.len().min(32));
            *word = (u64::from(half(low)) | u64::from(half(high)) << 32) as usize;
        }
    });
}

/// Clears the bits of the last `surplus` scores that equal `threshold`.
fn unmark_last(
    scores: &[Scores<'_>],
    bits: &mut [FixedBitSet],
    threshold: f32,
    mut surplus: usize,
) {
    let mut made = Vec::new();
    for (scores, bits) in scores.iter().zip(bits).rev() {
        for at in (0..scores.pieces()).rev() {
            if surplus == 0 {
                return;
            }
            let piece = scores.piece(at, &mut made);
            let equal = piece.iter().enumerate().rev().filter(|(_, score)| **score == threshold);
            for (i, _) in equal.take(surplus) {
                bits.remove(at * PIECE + i);
                surplus -= 1;
            }
        }
    }
}

/// Sets the bits of the highest scores of every block of `width` consecutive scores of a row, and
/// of the shorter last block. `chosen` gives the number for a block of that length.
///
/// `bits` must be clear, and as many as the scores.
pub(crate) fn mark_blocks(
    scores: Scores<'_>,
    bits: &mut FixedBitSet,
    columns: usize,
    width: usize,
    chosen: impl Fn(usize) -> usize + Sync,
) -> Result<(), MaskError> {
    if scores.values.is_empty() {
        return Ok(());
    }
    // This many rows fill whole words of bits.
    let rows =
        scores.values.par_chunks(WORD * columns).zip(bits.as_mut_slice().par_chunks_mut(columns));
    let done = rows.try_for_each_init(Vec::new, |keys, (rows, words)| {
        for (r, row) in rows.chunks(columns).enumerate() {
            for (b, block) in row.chunks(width).enumerate() {
                let from = r * columns + b * width;
                highest(block, chosen(block.len()), keys, |i| {
                    words[(from + i) / WORD] |= 1 << ((from + i) % WORD);
                })?;
            }
        }
        Some(())
    });
    if done.is_some() { Ok(()) } else { scores.nan().map_or(Ok(()), Err) }
}

/// Calls `mark` for the `k` highest of a few scores; `None` if one is NaN.
fn highest(
    scores: &[f32],
    k: usize,
    keys: &mut Vec<u32>,
    mut mark: impl FnMut(usize),
) -> Option<()> {
    keys.clear();
    keys.extend(scores.iter().map(|score| key(*score)));
    if keys.contains(&NAN) {
        return None;
    }
    if k == 0 {
        return Some(());
    }
    let (above, &mut threshold, _) = keys.select_nth_unstable_by(k - 1, |a, b| b.cmp(a));
    let mut ties = 1 + above.iter().filter(|key| **key == threshold).count();
    for (i, score) in scores.iter().enumerate() {
        let key = key(*score);
        let tie = key == threshold && ties > 0;
        ties -= usize::from(tie);
        if key > threshold || tie {
            mark(i);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_scores_do() {
        let scores = [f32::NEG_INFINITY, -1.5, -1e-40, 0.0, 1e-40, 1.0, f32::MAX, f32::INFINITY];
        assert!(scores.windows(2).all(|pair| key(pair[0]) < key(pair[1])));
        assert_eq!(key(-0.0), key(0.0));
        assert!(scores.iter().all(|score| score_of(key(*score)) == *score));
        assert!(
            [f32::NAN, -f32::NAN, f32::from_bits(0x7f80_0001)].iter().all(|nan| key(*nan) == NAN)
        );
    }
}
