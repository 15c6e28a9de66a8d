use std::io::{self, Read as _};
use std::ops::Range;
use std::sync::Arc;

use fixedbitset::FixedBitSet;
use roaring::RoaringBitmap;

use crate::error::MaskError;

/// Which weights of a matrix are chosen, row-major in Hugging Face `[out, in]` order. Clones share
/// the bits until one of them changes.
///
/// The bits are compressed: two bytes for each chosen weight where few are chosen, and never more
/// than one bit per weight. A matrix has at most 2³² weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BitMatrix {
    rows: usize,
    cols: usize,
    bits: Arc<RoaringBitmap>,
}

/// The most packed bytes at a time: many containers of the bitmap, and little memory.
const PIECE: usize = 1 << 20;

impl BitMatrix {
    /// A matrix with no bit set.
    ///
    /// # Errors
    /// [`MaskError::TooLarge`] beyond 2³² weights.
    pub fn new([rows, cols]: [usize; 2]) -> Result<Self, MaskError> {
        match rows.checked_mul(cols) {
            Some(len) if len as u64 <= 1 << 32 => Ok(Self { rows, cols, bits: Arc::default() }),
            _ => Err(MaskError::TooLarge { shape: [rows, cols] }),
        }
    }

    /// A matrix with the bits of a dense set, which are counted row by row.
    pub(crate) fn from_dense(shape: [usize; 2], dense: &FixedBitSet) -> Result<Self, MaskError> {
        let packed: Vec<u8> = dense.as_slice().iter().flat_map(|word| word.to_le_bytes()).collect();
        Self::from_packed(shape, &packed[..dense.len().div_ceil(8)])
            .ok_or(MaskError::TooLarge { shape })
    }

    /// Reads packed bytes, least significant bit first (`numpy.packbits(…, bitorder="little")`).
    /// `None` if the bytes do not fill the shape exactly or set bits beyond it.
    pub(crate) fn from_packed(shape: [usize; 2], mut packed: &[u8]) -> Option<Self> {
        let none = Self::new(shape).ok()?;
        if packed.len() != none.packed_len() {
            return None;
        }
        none.filled(|piece| packed.read_exact(piece)).ok()?
    }

    /// The matrix with these packed bits, which `read` gives piece by piece: they are in memory only
    /// as far as they are set. `None` if bits beyond the shape are set.
    pub(crate) fn filled(
        self,
        mut read: impl FnMut(&mut [u8]) -> io::Result<()>,
    ) -> io::Result<Option<Self>> {
        let (len, mut bits) = (self.packed_len(), RoaringBitmap::new());
        let mut piece = vec![0; PIECE.min(len)];
        for start in (0..len).step_by(PIECE) {
            let piece = &mut piece[..PIECE.min(len - start)];
            read(piece)?;
            bits |= RoaringBitmap::from_lsb0_bytes((start * 8) as u32, piece);
        }
        let within = bits.max().is_none_or(|last| (last as usize) < self.len());
        Ok(within.then(|| Self { bits: bits.into(), ..self }))
    }

    /// Number of bytes of [`packed`](Self::packed).
    pub(crate) fn packed_len(&self) -> usize {
        self.len().div_ceil(8)
    }

    /// The packed bits, piece by piece.
    pub(crate) fn packed(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        (0..self.packed_len()).step_by(PIECE).map(|start| {
            let mut piece = vec![0; PIECE.min(self.packed_len() - start)];
            let first = start * 8;
            for index in self.iter_within(first..first + piece.len() * 8) {
                piece[(index - first) / 8] |= 1 << (index % 8);
            }
            piece
        })
    }

    /// Output channels.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Input channels.
    #[must_use]
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// `[out, in]`
    #[must_use]
    pub fn shape(&self) -> [usize; 2] {
        [self.rows, self.cols]
    }

    /// Number of weights, set or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows * self.cols
    }

    /// Whether no bit is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bits.is_empty()
    }

    /// Number of bits set.
    #[must_use]
    pub fn count(&self) -> usize {
        self.bits.len() as usize
    }

    /// Whether the bit at a flat row-major index is set; false beyond the end.
    #[must_use]
    pub fn contains(&self, index: usize) -> bool {
        u32::try_from(index).is_ok_and(|index| self.bits.contains(index))
    }

    /// Sets the bit at a flat row-major index.
    ///
    /// # Errors
    /// [`MaskError::IndexOutOfRange`].
    pub fn insert(&mut self, index: usize) -> Result<(), MaskError> {
        if index >= self.len() {
            return Err(MaskError::IndexOutOfRange { index, shape: self.shape() });
        }
        self.bits_mut().insert(index as u32);
        Ok(())
    }

    /// Sets a whole row: one output channel.
    ///
    /// # Errors
    /// [`MaskError::IndexOutOfRange`].
    pub fn insert_row(&mut self, row: usize) -> Result<(), MaskError> {
        if row >= self.rows {
            return Err(MaskError::IndexOutOfRange { index: row, shape: self.shape() });
        }
        if self.cols > 0 {
            let (first, last) = (row * self.cols, (row + 1) * self.cols - 1);
            self.bits_mut().insert_range(first as u32..=last as u32);
        }
        Ok(())
    }

    /// Sets a whole column: one input channel.
    ///
    /// # Errors
    /// [`MaskError::IndexOutOfRange`].
    pub fn insert_column(&mut self, column: usize) -> Result<(), MaskError> {
        if column >= self.cols {
            return Err(MaskError::IndexOutOfRange { index: column, shape: self.shape() });
        }
        let (rows, cols, bits) = (self.rows, self.cols, self.bits_mut());
        (0..rows).for_each(|row| {
            bits.insert((row * cols + column) as u32);
        });
        Ok(())
    }

    /// The matrix with all other bits set.
    #[must_use]
    pub fn complement(mut self) -> Self {
        if let Some(last) = self.len().checked_sub(1) {
            let mut all = RoaringBitmap::new();
            all.insert_range(0..=last as u32);
            self.bits = (all - &*self.bits).into();
        }
        self
    }

    /// Flat row-major indices of the set bits, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.bits.iter().map(|index| index as usize)
    }

    /// Those of the set bits whose indices are in a range, ascending.
    pub fn iter_within(&self, span: Range<usize>) -> impl Iterator<Item = usize> + '_ {
        let end = span.end.min(self.len());
        let span = span.start.min(end) as u64..end as u64;
        // The end can be 2³², which is beyond the type of the indices.
        let within =
            (!span.is_empty()).then(|| self.bits.range(span.start as u32..=(span.end - 1) as u32));
        within.into_iter().flatten().map(|index| index as usize)
    }

    /// Number of bits set in both. The shapes must agree.
    pub(crate) fn intersection_count(&self, other: &Self) -> usize {
        self.bits.intersection_len(&other.bits) as usize
    }

    pub(crate) fn union_with(&mut self, other: &Self) {
        *self.bits_mut() |= &*other.bits;
    }

    pub(crate) fn intersect_with(&mut self, other: &Self) {
        *self.bits_mut() &= &*other.bits;
    }

    pub(crate) fn difference_with(&mut self, other: &Self) {
        *self.bits_mut() -= &*other.bits;
    }

    pub(crate) fn symmetric_difference_with(&mut self, other: &Self) {
        *self.bits_mut() ^= &*other.bits;
    }

    fn bits_mut(&mut self) -> &mut RoaringBitmap {
        Arc::make_mut(&mut self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_columns_are_output_and_input_channels() {
        let mut bits = BitMatrix::new([3, 4]).unwrap();
        bits.insert_row(1).unwrap();
        bits.insert_column(2).unwrap();
        assert_eq!(bits.iter().collect::<Vec<_>>(), [2, 4, 5, 6, 7, 10]);
        assert!(
            bits.insert_row(3).is_err()
                && bits.insert_column(4).is_err()
                && bits.insert(12).is_err()
        );
        assert!(BitMatrix::new([usize::MAX, 2]).is_err());
    }

    #[test]
    fn a_matrix_of_two_to_the_32_weights_is_the_largest() {
        assert!(BitMatrix::new([1 << 16, (1 << 16) + 1]).is_err());
        let mut bits = BitMatrix::new([1 << 16, 1 << 16]).unwrap();
        bits.insert_row((1 << 16) - 1).unwrap();
        bits.insert((1 << 32) - 1).unwrap();
        assert!(bits.insert(1 << 32).is_err() && !bits.contains(1 << 32));
        assert_eq!((bits.count(), bits.iter().last()), (1 << 16, Some((1 << 32) - 1)));
        assert_eq!(bits.complement().count(), (1 << 32) - (1 << 16));
    }

    #[test]
    fn matrices_are_equal_however_they_came_about() {
        let mut by_row = BitMatrix::new([300, 300]).unwrap();
        let mut one_by_one = by_row.clone();
        by_row.insert_row(7).unwrap();
        (2100..2400).for_each(|i| one_by_one.insert(i).unwrap());
        assert_eq!(by_row, one_by_one);
        assert_eq!(by_row.clone().complement().complement(), one_by_one);
        assert_eq!(
            BitMatrix::from_packed([300, 300], &by_row.packed().collect::<Vec<_>>().concat()),
            Some(one_by_one)
        );
    }

    /// The largest matrix, of which a byte is set: half a GiB, read in pieces.
    #[test]
    fn a_large_matrix_takes_the_memory_of_its_set_bits() {
        let none = BitMatrix::new([1 << 16, 1 << 16]).unwrap();
        let mut at = 0;
        let read = |piece: &mut [u8]| {
            assert!(piece.len() <= PIECE);
            piece.fill(0);
            at += piece.len();
            if at == none.packed_len() {
                piece[PIECE - 1] = 0xff;
            }
            Ok(())
        };
        let found = none.clone().filled(read).unwrap().unwrap();
        assert_eq!(found.iter().collect::<Vec<_>>(), ((1 << 32) - 8..1 << 32).collect::<Vec<_>>());
        assert!(found.bits.serialized_size() < 100);
        let last = found.packed().last().unwrap();
        assert_eq!((last.len(), last[PIECE - 1]), (PIECE, 0xff));
    }

    #[test]
    fn packed_bytes_that_do_not_fit_are_refused() {
        let mut bits = BitMatrix::new([3, 7]).unwrap();
        [0, 9, 20].into_iter().for_each(|i| bits.insert(i).unwrap());
        let packed = bits.packed().collect::<Vec<_>>().concat();
        assert_eq!(packed, [1, 2, 16]);
        assert_eq!(BitMatrix::from_packed([3, 7], &packed), Some(bits));
        assert_eq!(BitMatrix::from_packed([3, 7], &[1, 2]), None);
        assert_eq!(BitMatrix::from_packed([3, 7], &[1, 2, 0b10_0000]), None);
    }
}
