use bias_types::ParamPath;

use crate::error::MaskError;

/// The norms of a matrix's input channels, which Wanda multiplies weights by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InputNorms<'a> {
    norms: &'a [f64],
    /// The number of blocks of rows, and the rows of each; the last has what is left.
    blocks: usize,
    rows_each: usize,
}

impl<'a> From<&'a [f64]> for InputNorms<'a> {
    /// All rows have the same inputs: `[in]`.
    fn from(norms: &'a [f64]) -> Self {
        Self { norms, blocks: 1, rows_each: 1 }
    }
}

impl<'a> From<&'a Vec<f64>> for InputNorms<'a> {
    fn from(norms: &'a Vec<f64>) -> Self {
        norms.as_slice().into()
    }
}

impl<'a> InputNorms<'a> {
    /// Every `rows_each` rows have inputs of their own, as those of each expert of a mixture:
    /// `[blocks, in]`. Rows that are left over belong to the last block.
    #[must_use]
    pub fn by_rows(norms: &'a [f64], blocks: usize, rows_each: usize) -> Self {
        Self { norms, blocks: blocks.max(1), rows_each: rows_each.max(1) }
    }

    /// The number of input channels.
    pub(crate) fn columns(&self) -> usize {
        self.norms.len() / self.blocks
    }

    /// The norms of the inputs of a row.
    pub(crate) fn of_row(&self, row: usize) -> &'a [f64] {
        let columns = self.columns();
        &self.norms[self.block(row) * columns..][..columns]
    }

    /// The block that a row belongs to.
    pub(crate) fn block(&self, row: usize) -> usize {
        (row / self.rows_each).min(self.blocks - 1)
    }

    /// Every norm, block by block, and the number of blocks.
    pub(crate) fn all(&self) -> (&'a [f64], usize) {
        (self.norms, self.blocks)
    }

    /// Refuses norms of another number of channels.
    pub(crate) fn check(&self, path: &ParamPath, columns: usize) -> Result<(), MaskError> {
        let (expected, found) = (columns * self.blocks, self.norms.len());
        if expected == found {
            return Ok(());
        }
        Err(MaskError::Channels { path: path.clone(), expected, found })
    }
}
