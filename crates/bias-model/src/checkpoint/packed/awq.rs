use super::gptq::word;
use crate::checkpoint::rows::{Rows, finite};
use crate::checkpoint::unreadable::Unreadable;

/// The place in its word of each of eight neighbouring outputs (AutoAWQ's `AWQ_REVERSE_ORDER`).
const PLACES: [u32; 8] = [0, 4, 1, 5, 2, 6, 3, 7];

/// A matrix as AutoAWQ stores it in the layout `gemm`: the integers of eight neighbouring outputs
/// share a word of 32 bits.
///
/// The value of an output and an input is `scale · (integer − zero)`. `group` inputs share scale and
/// zero point.
///
/// # Shapes
/// `words` `[in, out / 8]`, `scales` `[in / group, out]`, `zeros` `[in / group, out / 8]`.
#[derive(Debug)]
pub(crate) struct Awq<'a> {
    pub words: &'a [u8],
    pub scales: Vec<f32>,
    pub zeros: &'a [u8],
    pub out: usize,
    pub group: usize,
}

impl Rows for Awq<'_> {
    fn read(&self, row: usize, from: usize, to: &mut [f32]) -> Result<(), Unreadable> {
        let (across, shift) = (self.out / 8, 4 * PLACES[row % 8]);
        let integer = |words: &[u8], at: usize| word(words, at * across + row / 8) >> shift & 15;
        let (mut known, mut scale, mut zero) = (usize::MAX, 0.0, 0.0);
        for (i, to) in (from..).zip(to.iter_mut()) {
            let group = i / self.group;
            if group != known {
                zero = integer(self.zeros, group) as f32;
                (known, scale) = (group, self.scales[group * self.out + row]);
            }
            *to = scale * (integer(self.words, i) as f32 - zero);
        }
        finite(to)
    }
}
