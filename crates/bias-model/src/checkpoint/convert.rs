use std::ops::Range;

use burn::tensor::TensorData;
use half::{bf16, f16};
use rayon::iter::{IndexedParallelIterator as _, ParallelIterator};
use rayon::slice::ParallelSliceMut as _;

use super::precision::Precision;
use super::rows::{self, Rows};
use super::unreadable::Unreadable;
use super::view::{Kind, View};
use crate::arch::piece::{Part, StoredRows};

/// The indices of a part's rows, in order, in a matrix that is stored as `[out, in]`.
fn rows_of(part: &Part, view: &View<'_>) -> Vec<usize> {
    (0..part.shape[0]).map(|r| view.twist.row(part.place.row(r))).collect()
}

/// A float type of the file.
trait Stored: Copy {
    const WIDTH: usize;
    const ZERO: Self;
    fn read(bytes: &[u8]) -> Self;
    fn finite(self) -> bool;
}

impl Stored for f32 {
    const WIDTH: usize = 4;
    const ZERO: Self = 0.0;
    fn read(b: &[u8]) -> Self {
        Self::from_le_bytes([b[0], b[1], b[2], b[3]])
    }
    fn finite(self) -> bool {
        self.is_finite()
    }
}

impl Stored for bf16 {
    const WIDTH: usize = 2;
    const ZERO: Self = Self::ZERO;
    fn read(b: &[u8]) -> Self {
        Self::from_le_bytes([b[0], b[1]])
    }
    fn finite(self) -> bool {
        self.is_finite()
    }
}

impl Stored for f16 {
    const WIDTH: usize = 2;
    const ZERO: Self = Self::ZERO;
    fn read(b: &[u8]) -> Self {
        Self::from_le_bytes([b[0], b[1]])
    }
    fn finite(self) -> bool {
        self.is_finite()
    }
}

/// Runs `$body` with `$S` as the type in the file and `$T` as the type in memory. Refuses types
/// that are not weights.
macro_rules! by_type {
    ($kind:expr, $precision:expr, |$S:ident, $T:ident| $body:expr) => {{
        macro_rules! with {
            ($s:ty, $t:ty) => {{
                type $S = $s;
                type $T = $t;
                $body
            }};
        }
        match ($kind, $precision) {
            (Kind::F32, _) => with!(f32, f32),
            (Kind::BF16, Precision::Stored) => with!(bf16, bf16),
            (Kind::BF16, _) => with!(bf16, f32),
            (Kind::F16, Precision::Stored) => with!(f16, f16),
            (Kind::F16, _) => with!(f16, f32),
            (kind, _) => Err(Unreadable::kind(kind)),
        }
    }};
}

/// A whole tensor in the layout of the file.
pub(crate) fn whole(view: &View<'_>, precision: Precision) -> Result<TensorData, Unreadable> {
    let data = if let Some(computed) = view.computed()? {
        let [out, inner] = view.as_matrix();
        let all: Vec<usize> = (0..out).collect();
        TensorData::new(rows::rows(&*computed, &all, inner)?, view.shape.clone())
    } else {
        let index = 0..view.shape.iter().product();
        by_type!(view.kind, precision, |S, T| gather::<S, T>(view.data, index, &view.shape))?
    };
    Ok(if view.twist.plus_one { less_one(data) } else { data })
}

/// Converts norms: some formats store the factor itself, Hugging Face its difference from 1.
fn less_one(data: TensorData) -> TensorData {
    let shape = data.shape.clone();
    let values: Vec<f32> = data.iter::<f32>().map(|value| value - 1.0).collect();
    TensorData::new(values, shape)
}

/// Some elements of a vector, as f32.
pub(crate) fn elements(
    view: &View<'_>,
    place: &StoredRows,
    len: usize,
) -> Result<TensorData, Unreadable> {
    let index = (0..len).map(|r| view.twist.row(place.row(r)));
    if let Some(computed) = view.computed()? {
        let all = rows::rows(&*computed, &[0], place.rows)?;
        return Ok(TensorData::new(index.map(|i| all[i]).collect::<Vec<_>>(), [len]));
    }
    by_type!(view.kind, Precision::F32, |S, T| gather::<S, T>(view.data, index, &[len]))
}

/// Some rows of a matrix, transposed to `[in, out]`, in one pass from the file to their final
/// place.
pub(crate) fn turned(
    view: &View<'_>,
    part: &Part,
    precision: Precision,
) -> Result<TensorData, Unreadable> {
    let [out, inner] = part.shape;
    if let Some(computed) = view.computed()? {
        let values = turned_rows(&*computed, view, part, out, Vec::new())?;
        return Ok(TensorData::new(values, [inner, out]));
    }
    by_type!(view.kind, precision, |S, T| {
        let values = if part.transposed {
            runs::<S, T>(view.data, &part.place, part.shape, out, Vec::new())
        } else {
            turn::<S, T>(view.data, &rows_of(part, view), inner, out, Vec::new())
        };
        Ok(TensorData::new(values?, [inner, out]))
    })
}

/// Computed values, transposed.
fn turned_rows(
    computed: &dyn Rows,
    view: &View<'_>,
    part: &Part,
    row: usize,
    buffer: Vec<f32>,
) -> Result<Vec<f32>, Unreadable> {
    let (own, inner) = (rows_of(part, view), part.shape[1]);
    if part.transposed {
        rows::columns(computed, &own, [inner, part.place.rows], row, buffer)
    } else {
        rows::turned(computed, &own, inner, row, buffer)
    }
}

/// The same as f32, in a reused buffer, with rows of `row` values. Values beyond the matrix are
/// undefined.
pub(crate) fn turned_into(
    view: &View<'_>,
    part: &Part,
    row: usize,
    buffer: Vec<f32>,
) -> Result<TensorData, Unreadable> {
    fn of<S: Stored>(
        view: &View<'_>,
        part: &Part,
        row: usize,
        buffer: Vec<f32>,
    ) -> Result<Vec<f32>, Unreadable>
    where
        f32: From<S>,
    {
        if part.transposed {
            runs::<S, f32>(view.data, &part.place, part.shape, row, buffer)
        } else {
            turn::<S, f32>(view.data, &rows_of(part, view), part.shape[1], row, buffer)
        }
    }
    let values = match (view.computed()?, view.kind) {
        (Some(computed), _) => turned_rows(&*computed, view, part, row, buffer),
        (None, Kind::F32) => of::<f32>(view, part, row, buffer),
        (None, Kind::BF16) => of::<bf16>(view, part, row, buffer),
        (None, Kind::F16) => of::<f16>(view, part, row, buffer),
        (None, kind) => Err(Unreadable::kind(kind)),
    };
    Ok(TensorData::new(values?, [part.shape[1], row]))
}

/// Some rows of a matrix that is stored as `[out, in]`, without transposing them.
pub(crate) fn rows(
    view: &View<'_>,
    part: &Part,
    precision: Precision,
) -> Result<TensorData, Unreadable> {
    let rows = rows_of(part, view);
    some_of(view, &rows, part.shape[1], precision)
}

/// Some rows of a table, widened to f32.
pub(crate) fn lookup(view: &View<'_>, rows: &[usize]) -> Result<TensorData, Unreadable> {
    some_of(view, rows, row_len(view)?, Precision::F32)
}

/// Some rows of a tensor in order, or a vector, which counts as one row, in the layout of a Hugging
/// Face checkpoint.
pub(crate) fn as_named(view: &View<'_>, rows: Range<usize>) -> Result<Vec<f32>, Unreadable> {
    let data = match *view.shape {
        [len] if view.twist.interleaved.is_some() => {
            elements(view, &StoredRows::own("", len), len)?
        }
        [_] => whole(view, Precision::F32)?,
        _ => {
            let rows: Vec<usize> = rows.map(|r| view.twist.row(r)).collect();
            some_of(view, &rows, row_len(view)?, Precision::F32)?
        }
    };
    data.into_vec().map_err(|error| Unreadable::Dequantize(format!("{error:?}")))
}

/// The number of values in a row.
fn row_len(view: &View<'_>) -> Result<usize, Unreadable> {
    let len = view.shape.last().copied();
    len.ok_or_else(|| {
        Unreadable::Dequantize(format!("a tensor of the shape {:?} has no rows", view.shape))
    })
}

fn some_of(
    view: &View<'_>,
    rows: &[usize],
    inner: usize,
    precision: Precision,
) -> Result<TensorData, Unreadable> {
    if let Some(computed) = view.computed()? {
        let values = rows::rows(&*computed, rows, inner)?;
        return Ok(TensorData::new(values, [rows.len(), inner]));
    }
    by_type!(view.kind, precision, |S, T| some::<S, T>(view.data, rows, inner))
}

fn gather<S: Stored, T: From<S> + burn::tensor::Element>(
    data: &[u8],
    index: impl Iterator<Item = usize>,
    shape: &[usize],
) -> Result<TensorData, Unreadable> {
    let mut finite = true;
    let values = index.map(|i| {
        let value = S::read(&data[i * S::WIDTH..][..S::WIDTH]);
        finite &= value.finite();
        T::from(value)
    });
    let values: Vec<T> = values.collect();
    if finite { Ok(TensorData::new(values, shape.to_vec())) } else { Err(Unreadable::NotFinite) }
}

/// Copies a run of values. Returns whether all are finite.
fn read<S: Stored, T: From<S>>(run: &[u8], to: &mut [T]) -> bool {
    let mut finite = true;
    for (to, bytes) in to.iter_mut().zip(run.chunks_exact(S::WIDTH)) {
        let value = S::read(bytes);
        finite &= value.finite();
        *to = T::from(value);
    }
    finite
}

/// Whether every part of a tensor is finite.
fn all(finite: impl ParallelIterator<Item = bool>) -> Result<(), Unreadable> {
    if finite.reduce(|| true, |a, b| a & b) { Ok(()) } else { Err(Unreadable::NotFinite) }
}

/// Whole rows of `inner` values each.
fn some<S: Stored, T: From<S> + Default + Clone + Send + burn::tensor::Element>(
    data: &[u8],
    rows: &[usize],
    inner: usize,
) -> Result<TensorData, Unreadable> {
    let mut values = vec![T::default(); rows.len() * inner];
    if inner == 0 {
        return Ok(TensorData::new(values, [rows.len(), 0]));
    }
    let finite = values.par_chunks_mut(inner).zip(rows).map(|(to, row)| {
        let width = inner * S::WIDTH;
        read::<S, T>(&data[row * width..][..width], to)
    });
    all(finite).map(|()| TensorData::new(values, [rows.len(), inner]))
}

/// The rows of an `[in, out]` matrix, which need no transposition: runs are copied whole.
fn runs<S: Stored, T: From<S> + Default + Clone + Send>(
    data: &[u8],
    place: &StoredRows,
    [out, inner]: [usize; 2],
    row: usize,
    mut values: Vec<T>,
) -> Result<Vec<T>, Unreadable> {
    values.resize(row * inner, T::default());
    if values.is_empty() {
        return Ok(values);
    }
    let finite = values.par_chunks_mut(row).enumerate().map(|(c, to)| {
        let (mut finite, mut r) = (true, 0);
        while r < out {
            let together = (place.run - r % place.run).min(out - r);
            let at = (c * place.rows + place.row(r)) * S::WIDTH;
            finite &= read::<S, T>(&data[at..][..together * S::WIDTH], &mut to[r..][..together]);
            r += together;
        }
        finite
    });
    all(finite).map(|()| values)
}

/// The side of the tiles in which a matrix is transposed. A tile is gathered row by row and written
/// column by column, both in runs. Columns often lie a power of two apart, and writing across many
/// of them would miss the cache each time.
const TILE: usize = 32;

/// Some rows of an `[out, in]` matrix, transposed, on all cores.
fn turn<S: Stored, T: From<S> + Default + Copy + Send>(
    data: &[u8],
    rows: &[usize],
    inner: usize,
    row: usize,
    mut values: Vec<T>,
) -> Result<Vec<T>, Unreadable> {
    const WIDE: usize = 2 * TILE;
    values.resize(row * inner, T::default());
    if values.is_empty() {
        return Ok(values);
    }
    let (out, starts): (_, Vec<usize>) =
        (rows.len(), rows.iter().map(|r| r * inner * S::WIDTH).collect());
    let finite = values.par_chunks_mut(WIDE * row).enumerate().map(|(block, values)| {
        let (column, width) = (block * WIDE, values.len() / row);
        let mut finite = true;
        for first in (0..out).step_by(TILE) {
            let rows = &starts[first..out.min(first + TILE)];
            for c in (0..width).step_by(TILE) {
                let (at, to) = ((column + c) * S::WIDTH, &mut values[c * row + first..]);
                finite &= match <&[usize; TILE]>::try_from(rows) {
                    Ok(rows) if c + TILE <= width => tile::<S, T>(data, rows, at, to, row),
                    _ => edge::<S, T>(data, rows, at, TILE.min(width - c), to, row),
                };
            }
        }
        finite
    });
    all(finite).map(|()| values)
}

/// A whole tile. Its size is a constant, so the compiler unrolls its loops.
fn tile<S: Stored, T: From<S> + Copy>(
    data: &[u8],
    rows: &[usize; TILE],
    at: usize,
    to: &mut [T],
    row: usize,
) -> bool {
    let mut tile = [[S::ZERO; TILE]; TILE];
    for (start, tile) in rows.iter().zip(&mut tile) {
        let run = &data[start + at..][..TILE * S::WIDTH];
        tile.iter_mut()
            .zip(run.chunks_exact(S::WIDTH))
            .for_each(|(to, bytes)| *to = S::read(bytes));
    }
    let mut finite = true;
    for c in 0..TILE {
        let to = &mut to[c * row..][..TILE];
        for (to, own) in to.iter_mut().zip(&tile) {
            finite &= own[c].finite();
            *to = T::from(own[c]);
        }
    }
    finite
}

/// The incomplete tiles at the ends of a matrix.
fn edge<S: Stored, T: From<S>>(
    data: &[u8],
    rows: &[usize],
    at: usize,
    width: usize,
    to: &mut [T],
    row: usize,
) -> bool {
    let mut finite = true;
    for (r, start) in rows.iter().enumerate() {
        let run = &data[start + at..][..width * S::WIDTH];
        for (c, bytes) in run.chunks_exact(S::WIDTH).enumerate() {
            let value = S::read(bytes);
            finite &= value.finite();
            to[c * row + r] = T::from(value);
        }
    }
    finite
}
