use burn::tensor::TensorData;
use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView};

use crate::Precision;
use crate::layout::Place;

/// Which part of a stored matrix to take, and how it lies in the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub place: Place,
    /// Rows taken, and columns: `[out, in]`.
    pub shape: [usize; 2],
    /// The file has it as `[in, out]`.
    pub transposed: bool,
}

/// A float type of the file.
trait Stored: Copy {
    const WIDTH: usize;
    fn read(bytes: &[u8]) -> Self;
    fn finite(self) -> bool;
}

impl Stored for f32 {
    const WIDTH: usize = 4;
    fn read(b: &[u8]) -> Self {
        Self::from_le_bytes([b[0], b[1], b[2], b[3]])
    }
    fn finite(self) -> bool {
        self.is_finite()
    }
}

impl Stored for bf16 {
    const WIDTH: usize = 2;
    fn read(b: &[u8]) -> Self {
        Self::from_le_bytes([b[0], b[1]])
    }
    fn finite(self) -> bool {
        self.is_finite()
    }
}

impl Stored for f16 {
    const WIDTH: usize = 2;
    fn read(b: &[u8]) -> Self {
        Self::from_le_bytes([b[0], b[1]])
    }
    fn finite(self) -> bool {
        self.is_finite()
    }
}

/// Runs `$body` with `$S` the type in the file and `$T` the type to hold; `None` for
/// types that are not weights.
macro_rules! by_type {
    ($dtype:expr, $precision:expr, |$S:ident, $T:ident| $body:expr) => {{
        macro_rules! with {
            ($s:ty, $t:ty) => {{
                type $S = $s;
                type $T = $t;
                $body
            }};
        }
        match ($dtype, $precision) {
            (Dtype::F32, _) => with!(f32, f32),
            (Dtype::BF16, Precision::F32) => with!(bf16, f32),
            (Dtype::BF16, Precision::Stored) => with!(bf16, bf16),
            (Dtype::F16, Precision::F32) => with!(f16, f32),
            (Dtype::F16, Precision::Stored) => with!(f16, f16),
            _ => None,
        }
    }};
}

/// A tensor as it lies; `None` when a value is NaN or infinite.
pub(crate) fn whole(view: &TensorView<'_>, precision: Precision) -> Option<TensorData> {
    let index = 0..view.shape().iter().product();
    by_type!(view.dtype(), precision, |S, T| gather::<S, T>(view.data(), index, view.shape()))
}

/// Some elements of a vector, as f32.
pub(crate) fn elements(view: &TensorView<'_>, place: &Place, len: usize) -> Option<TensorData> {
    let index = (0..len).map(|r| place.row(r));
    by_type!(view.dtype(), Precision::F32, |S, T| gather::<S, T>(view.data(), index, &[len]))
}

/// Rows of a matrix, turned into `[in, out]`: one pass from the file to where they stay.
pub(crate) fn turned(view: &TensorView<'_>, part: &Part, precision: Precision) -> Option<TensorData> {
    by_type!(view.dtype(), precision, |S, T| turn::<S, T>(view.data(), part))
}

fn gather<S: Stored, T: From<S> + burn::tensor::Element>(
    data: &[u8],
    index: impl Iterator<Item = usize>,
    shape: &[usize],
) -> Option<TensorData> {
    let mut finite = true;
    let values = index.map(|i| {
        let value = S::read(&data[i * S::WIDTH..][..S::WIDTH]);
        finite &= value.finite();
        T::from(value)
    });
    let values: Vec<T> = values.collect();
    finite.then(|| TensorData::new(values, shape.to_vec()))
}

fn turn<S: Stored, T: From<S> + Default + burn::tensor::Element>(
    data: &[u8],
    part: &Part,
) -> Option<TensorData> {
    // A tile is gathered row by row and written out column by column, both in runs: columns
    // lie a power of two apart, and writing across many of them would keep missing the cache.
    const TILE: usize = 32;
    let Part { place, shape: [out, inner], transposed } = *part;
    let mut values = vec![T::default(); out * inner];
    let mut finite = true;
    let mut read = |run: &[u8], to: &mut [T]| {
        for (to, bytes) in to.iter_mut().zip(run.chunks_exact(S::WIDTH)) {
            let value = S::read(bytes);
            finite &= value.finite();
            *to = T::from(value);
        }
    };
    for first in (0..out).step_by(TILE) {
        let rows = first..(first + TILE).min(out);
        if transposed {
            // Already the right way round: what lies together is copied together.
            for c in 0..inner {
                let mut r = rows.start;
                while r < rows.end {
                    let together = (place.run - r % place.run).min(rows.end - r);
                    let at = (c * place.rows + place.row(r)) * S::WIDTH;
                    read(&data[at..][..together * S::WIDTH], &mut values[c * out + r..][..together]);
                    r += together;
                }
            }
            continue;
        }
        for column in (0..inner).step_by(TILE) {
            let width = TILE.min(inner - column);
            let mut tile = [[T::default(); TILE]; TILE];
            for (r, tile) in rows.clone().zip(&mut tile) {
                let at = (place.row(r) * inner + column) * S::WIDTH;
                read(&data[at..at + width * S::WIDTH], tile);
            }
            for c in 0..width {
                let to = &mut values[(column + c) * out + first..][..rows.len()];
                to.iter_mut().zip(&tile).for_each(|(to, row)| *to = row[c]);
            }
        }
    }
    finite.then(|| TensorData::new(values, [inner, out]))
}
