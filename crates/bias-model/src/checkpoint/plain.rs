use super::packed::float::Float;
use super::rows::{Rows, finite};
use super::unreadable::Unreadable;

/// A matrix of floats, read a piece of a row at a time.
#[derive(Debug)]
pub(crate) struct Plain<'a> {
    pub data: &'a [u8],
    pub float: Float,
    /// The number of values in a row.
    pub inner: usize,
}

impl Rows for Plain<'_> {
    fn read(&self, row: usize, from: usize, to: &mut [f32]) -> Result<(), Unreadable> {
        let width = self.float.width();
        let start = (row * self.inner + from) * width;
        self.float.read(&self.data[start..][..to.len() * width], to);
        finite(to)
    }
}
