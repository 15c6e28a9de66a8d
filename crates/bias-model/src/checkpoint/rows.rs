//! Matrices whose values are computed while they are read: quantized ones, and those that an
//! adapter changes.

use rayon::iter::{IndexedParallelIterator as _, ParallelIterator as _};
use rayon::slice::ParallelSliceMut as _;

use super::unreadable::Unreadable;

/// A matrix that can be read a piece of a row at a time.
pub(crate) trait Rows: Sync {
    /// Writes the values of a row, from a column on, as many as `to` holds. The column is a multiple
    /// of [`WIDE`]. The piece ends with the row or at such a multiple too.
    ///
    /// # Errors
    /// Values that are NaN or infinite, and bytes that become none.
    fn read(&self, row: usize, from: usize, to: &mut [f32]) -> Result<(), Unreadable>;
}

/// Columns that are taken together: a multiple of every type's block.
pub(crate) const WIDE: usize = 256;
/// Rows that are taken together: a tile fits into the processor's first-level cache.
const TALL: usize = 32;

/// Checks values that were computed.
pub(super) fn finite(values: &[f32]) -> Result<(), Unreadable> {
    let all = values.iter().fold(true, |all, value| all & value.is_finite());
    if all { Ok(()) } else { Err(Unreadable::NotFinite) }
}

/// Some rows, in order. Each has `inner` values.
pub(crate) fn rows(from: &dyn Rows, rows: &[usize], inner: usize) -> Result<Vec<f32>, Unreadable> {
    let mut values = vec![0.0; rows.len() * inner];
    if values.is_empty() {
        return Ok(values);
    }
    let read = values.par_chunks_mut(inner).zip(rows).map(|(to, row)| from.read(*row, 0, to));
    read.reduce(|| Ok(()), Result::and).map(|()| values)
}

/// Some rows, transposed. The rows of the result are `row` values long, in a reused buffer. A tile
/// at a time goes from the file to its final place, on all cores.
pub(crate) fn turned(
    from: &dyn Rows,
    rows: &[usize],
    inner: usize,
    row: usize,
    mut values: Vec<f32>,
) -> Result<Vec<f32>, Unreadable> {
    values.resize(row * inner, 0.0);
    if values.is_empty() {
        return Ok(values);
    }
    let read = values.par_chunks_mut(WIDE * row).enumerate().map(|(strip, values)| {
        let columns = values.len() / row;
        let mut tile = vec![0.0; TALL * columns];
        for (band, rows) in rows.chunks(TALL).enumerate() {
            for (r, to) in rows.iter().zip(tile.chunks_exact_mut(columns)) {
                from.read(*r, strip * WIDE, to)?;
            }
            for (c, to) in values.chunks_exact_mut(row).enumerate() {
                let to = &mut to[band * TALL..][..rows.len()];
                to.iter_mut().enumerate().for_each(|(r, to)| *to = tile[r * columns + c]);
            }
        }
        Ok(())
    });
    read.reduce(|| Ok(()), Result::and).map(|()| values)
}

/// Some columns of every row, in order: a matrix that is stored as `[in, out]` and taken so. Its
/// rows have `width` values, those of the result `row`, in a reused buffer.
pub(crate) fn columns(
    from: &dyn Rows,
    columns: &[usize],
    [inner, width]: [usize; 2],
    row: usize,
    mut values: Vec<f32>,
) -> Result<Vec<f32>, Unreadable> {
    values.resize(row * inner, 0.0);
    if values.is_empty() {
        return Ok(values);
    }
    let read = values.par_chunks_mut(row).enumerate().map_init(
        || vec![0.0; width],
        |whole, (c, to)| {
            from.read(c, 0, whole)?;
            to.iter_mut().zip(columns).for_each(|(to, column)| *to = whole[*column]);
            Ok(())
        },
    );
    read.reduce(|| Ok(()), Result::and).map(|()| values)
}
