use super::float::power_of_two;
use crate::checkpoint::rows::{Rows, finite};
use crate::checkpoint::unreadable::Unreadable;

/// The number of values that share a scale.
pub(crate) const GROUP: usize = 32;

/// The sixteen values of 4 bits: a sign, two bits of exponent, one of mantissa (OCP Microscaling
/// Formats 1.0, E2M1).
const VALUES: [f32; 16] =
    [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0];

/// A matrix of 4-bit floats, two in a byte, the first in the lower half. Every 32 have a scale, a
/// power of two.
///
/// # Shapes
/// `blocks` is `[rows, inner / 2]` and `scales` `[rows, inner / 32]`, in bytes. Further dimensions
/// before the rows count as rows: gpt-oss stores `[experts, rows, inner / 32, 16]` and
/// `[experts, rows, inner / 32]`.
#[derive(Debug)]
pub(crate) struct Mxfp4<'a> {
    pub blocks: &'a [u8],
    pub scales: &'a [u8],
    /// The number of values in a row, a multiple of 32.
    pub inner: usize,
}

impl Rows for Mxfp4<'_> {
    fn read(&self, row: usize, from: usize, to: &mut [f32]) -> Result<(), Unreadable> {
        let first = (row * self.inner + from) / GROUP;
        for (group, to) in to.chunks_exact_mut(GROUP).enumerate() {
            let scale = power_of_two(self.scales[first + group]);
            let bytes = &self.blocks[(first + group) * GROUP / 2..][..GROUP / 2];
            for (to, byte) in to.chunks_exact_mut(2).zip(bytes) {
                to[0] = VALUES[usize::from(byte & 15)] * scale;
                to[1] = VALUES[usize::from(byte >> 4)] * scale;
            }
        }
        finite(to)
    }
}
