use std::sync::Arc;

use fixedbitset::FixedBitSet;

use crate::error::MaskError;

/// One bit per weight of a matrix, row-major in Hugging Face `[out, in]` order. Clones share
/// the bits until one of them changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BitMatrix {
    rows: usize,
    cols: usize,
    bits: Arc<FixedBitSet>,
}

impl BitMatrix {
    /// A matrix with no bit set.
    ///
    /// # Errors
    /// [`MaskError::TooLarge`] when `rows · cols` cannot be counted.
    pub fn new([rows, cols]: [usize; 2]) -> Result<Self, MaskError> {
        let len = rows.checked_mul(cols).ok_or(MaskError::TooLarge { shape: [rows, cols] })?;
        Ok(Self { rows, cols, bits: FixedBitSet::with_capacity(len).into() })
    }

    /// Reads packed bytes, least significant bit first (`numpy.packbits(…, bitorder="little")`).
    /// `None` if the bytes do not fill the shape exactly or set bits beyond it.
    pub(crate) fn from_packed(shape: [usize; 2], packed: &[u8]) -> Option<Self> {
        let len = shape[0].checked_mul(shape[1])?;
        if packed.len() != len.div_ceil(8) {
            return None;
        }
        let spare = packed.len() * 8 - len;
        if spare > 0 && packed.last().is_some_and(|last| last >> (8 - spare) != 0) {
            return None;
        }
        const WORD: usize = size_of::<usize>();
        let words = packed.chunks(WORD).map(|chunk| {
            let mut word = [0u8; WORD];
            word[..chunk.len()].copy_from_slice(chunk);
            usize::from_le_bytes(word)
        });
        let bits = FixedBitSet::with_capacity_and_blocks(len, words);
        Some(Self { rows: shape[0], cols: shape[1], bits: bits.into() })
    }

    pub(crate) fn to_packed(&self) -> Vec<u8> {
        let mut packed: Vec<u8> =
            self.bits.as_slice().iter().flat_map(|word| word.to_le_bytes()).collect();
        packed.truncate((self.rows * self.cols).div_ceil(8));
        packed
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
        self.bits.len()
    }

    /// Whether no bit is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bits.is_clear()
    }

    /// Number of bits set.
    #[must_use]
    pub fn count(&self) -> usize {
        self.bits.count_ones(..)
    }

    /// Whether the bit at a flat row-major index is set; false beyond the end.
    #[must_use]
    pub fn contains(&self, index: usize) -> bool {
        self.bits.contains(index)
    }

    /// Sets the bit at a flat row-major index.
    ///
    /// # Errors
    /// [`MaskError::IndexOutOfRange`].
    pub fn insert(&mut self, index: usize) -> Result<(), MaskError> {
        if index >= self.bits.len() {
            return Err(MaskError::IndexOutOfRange { index, shape: self.shape() });
        }
        self.bits_mut().insert(index);
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
        let span = row * self.cols..(row + 1) * self.cols;
        self.bits_mut().insert_range(span);
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
        (0..rows).for_each(|row| bits.insert(row * cols + column));
        Ok(())
    }

    /// The matrix with all other bits set.
    #[must_use]
    pub fn complement(mut self) -> Self {
        self.bits_mut().toggle_range(..);
        self
    }

    /// Flat row-major indices of the set bits, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.bits.ones()
    }

    /// Number of bits set in both. The shapes must agree.
    pub(crate) fn intersection_count(&self, other: &Self) -> usize {
        self.bits.intersection_count(&other.bits)
    }

    pub(crate) fn union_with(&mut self, other: &Self) {
        self.bits_mut().union_with(&other.bits);
    }

    pub(crate) fn intersect_with(&mut self, other: &Self) {
        self.bits_mut().intersect_with(&other.bits);
    }

    pub(crate) fn difference_with(&mut self, other: &Self) {
        self.bits_mut().difference_with(&other.bits);
    }

    pub(crate) fn symmetric_difference_with(&mut self, other: &Self) {
        self.bits_mut().symmetric_difference_with(&other.bits);
    }

    fn bits_mut(&mut self) -> &mut FixedBitSet {
        Arc::make_mut(&mut self.bits)
    }

    /// The bits in words, least significant first; those beyond the end must stay clear.
    pub(crate) fn words_mut(&mut self) -> &mut [usize] {
        self.bits_mut().as_mut_slice()
    }

    pub(crate) fn remove(&mut self, index: usize) {
        self.bits_mut().remove(index);
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
    fn packed_bytes_that_do_not_fit_are_refused() {
        let mut bits = BitMatrix::new([3, 7]).unwrap();
        [0, 9, 20].into_iter().for_each(|i| bits.insert(i).unwrap());
        let packed = bits.to_packed();
        assert_eq!(packed, [1, 2, 16]);
        assert_eq!(BitMatrix::from_packed([3, 7], &packed), Some(bits));
        assert_eq!(BitMatrix::from_packed([3, 7], &[1, 2]), None);
        assert_eq!(BitMatrix::from_packed([3, 7], &[1, 2, 0b10_0000]), None);
    }
}
