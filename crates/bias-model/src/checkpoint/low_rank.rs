use std::sync::{Arc, OnceLock};

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use super::file_bytes::FileBytes;
use super::packed::float::Float;
use super::rows::{Rows, WIDE, finite};
use super::unreadable::Unreadable;

/// What an adapter adds to a matrix: `scale · left · right`.
///
/// # Shapes
/// For a matrix `[rows, inner]`, `left` is `[rows, rank]` and `right` `[rank, inner]`. Both are
/// stored transposed if `turned`.
#[derive(Debug, Clone)]
pub(crate) struct LowRank<P> {
    pub left: P,
    pub right: P,
    pub floats: [Float; 2],
    pub rank: usize,
    pub scale: f32,
    pub turned: bool,
    /// The lengths that rows get after the change, if they get any (DoRA).
    pub lengths: Option<(P, Float)>,
    /// What rows are multiplied by for that. Found once.
    pub factors: Arc<OnceLock<Vec<f32>>>,
}

impl<P> LowRank<P> {
    pub(crate) fn map<Q>(&self, of: impl Fn(&P) -> Q) -> LowRank<Q> {
        LowRank {
            left: of(&self.left),
            right: of(&self.right),
            floats: self.floats,
            rank: self.rank,
            scale: self.scale,
            turned: self.turned,
            lengths: self.lengths.as_ref().map(|(lengths, float)| (of(lengths), *float)),
            factors: self.factors.clone(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &P> {
        let lengths = self.lengths.as_ref().map(|(lengths, _)| lengths);
        [&self.left, &self.right].into_iter().chain(lengths)
    }
}

impl<'a> LowRank<FileBytes<'a>> {
    /// A matrix with this change.
    ///
    /// # Errors
    /// Values that are not finite.
    pub(crate) fn over(
        &self,
        base: Box<dyn Rows + 'a>,
        [rows, inner]: [usize; 2],
    ) -> Result<Box<dyn Rows + 'a>, Unreadable> {
        let [left, right] = [(&self.left, self.floats[0]), (&self.right, self.floats[1])]
            .map(|(piece, float)| float.all(piece.data));
        let (mut left, mut right) = (left?, right?);
        if self.turned {
            left = transposed(&left, [self.rank, rows]);
            right = transposed(&right, [inner, self.rank]);
        }
        let mut own = Changed {
            base,
            left,
            right,
            rank: self.rank,
            scale: self.scale,
            factors: Vec::new(),
            inner,
        };
        if let Some((lengths, float)) = &self.lengths {
            own.factors = match self.factors.get() {
                Some(factors) => factors.clone(),
                None => {
                    let factors = own.factors(&float.all(lengths.data)?)?;
                    self.factors.get_or_init(|| factors).clone()
                }
            };
        }
        Ok(Box::new(own))
    }
}

fn transposed(values: &[f32], [rows, columns]: [usize; 2]) -> Vec<f32> {
    let of = |at: usize| values[at % rows * columns + at / rows];
    (0..rows * columns).map(of).collect()
}

/// A matrix, read with its change.
struct Changed<'a> {
    base: Box<dyn Rows + 'a>,
    left: Vec<f32>,
    right: Vec<f32>,
    rank: usize,
    scale: f32,
    /// What each row is multiplied by; none, if no row is.
    factors: Vec<f32>,
    inner: usize,
}

impl Changed<'_> {
    /// What makes rows as long as they should be.
    fn factors(&self, lengths: &[f32]) -> Result<Vec<f32>, Unreadable> {
        let of = |(row, length): (usize, &f32)| {
            let (mut values, mut squares) = (vec![0.0; self.inner.min(WIDE)], 0.0f64);
            for from in (0..self.inner).step_by(WIDE) {
                let values = &mut values[..WIDE.min(self.inner - from)];
                self.read(row, from, values)?;
                squares += values.iter().map(|own| f64::from(*own).powi(2)).sum::<f64>();
            }
            let factor = (f64::from(*length) / squares.sqrt()) as f32;
            if factor.is_finite() { Ok(factor) } else { Err(Unreadable::NotFinite) }
        };
        let rows: Vec<(usize, &f32)> = lengths.iter().enumerate().collect();
        rows.into_par_iter().map(of).collect()
    }
}

/// Columns that are added up together: their sums stay in the processor's registers.
const TOGETHER: usize = 64;

impl Rows for Changed<'_> {
    fn read(&self, row: usize, from: usize, to: &mut [f32]) -> Result<(), Unreadable> {
        self.base.read(row, from, to)?;
        let left = &self.left[row * self.rank..][..self.rank];
        for (piece, to) in to.chunks_mut(TOGETHER).enumerate() {
            let (at, mut sums) = (from + piece * TOGETHER, [0.0f32; TOGETHER]);
            for (k, left) in left.iter().enumerate() {
                let right = &self.right[k * self.inner + at..][..to.len()];
                for (sum, right) in sums.iter_mut().zip(right) {
                    *sum += left * right;
                }
            }
            for (to, sum) in to.iter_mut().zip(sums) {
                *to += self.scale * sum;
            }
        }
        if let Some(factor) = self.factors.get(row) {
            to.iter_mut().for_each(|to| *to *= factor);
        }
        finite(to)
    }
}
