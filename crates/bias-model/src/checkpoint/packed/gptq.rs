use crate::checkpoint::rows::{Rows, finite};
use crate::checkpoint::unreadable::Unreadable;

/// A matrix as GPTQ's tools store it: the integers of an output lie below each other in words of 32
/// bits, the first input in the lowest bits.
///
/// The value of an output and an input is `scale · (integer − zero)`. The scale and the zero point
/// are those of the output and of the input's group.
///
/// # Shapes
/// `words` `[in · bits / 32, out]`, `scales` `[groups, out]`, `zeros` `[groups, out · bits / 32]`,
/// where the integers of neighbouring outputs share a word.
#[derive(Debug)]
pub(crate) struct Gptq<'a> {
    words: &'a [u8],
    scales: Vec<f32>,
    zeros: &'a [u8],
    /// The group of each input.
    groups: Vec<usize>,
    out: usize,
    bits: u32,
    /// Added to each word of zero points: 0, or a 1 in each integer.
    one: u32,
}

/// A little-endian word.
pub(super) fn word(bytes: &[u8], i: usize) -> u32 {
    let own = &bytes[4 * i..][..4];
    u32::from_le_bytes([own[0], own[1], own[2], own[3]])
}

/// The groups that inputs belong to.
pub(crate) fn groups(index: &[u8]) -> impl Iterator<Item = usize> {
    (0..index.len() / 4).map(|i| usize::try_from(word(index, i)).unwrap_or(usize::MAX))
}

impl<'a> Gptq<'a> {
    /// With 1 added to each stored zero point, if they are `one_less`. The group of an input is that in `index`, or
    /// `group` inputs in order make one.
    #[expect(clippy::too_many_arguments, reason = "the tensors of a group and their sizes")]
    pub(super) fn new(
        words: &'a [u8],
        scales: Vec<f32>,
        zeros: &'a [u8],
        index: Option<&[u8]>,
        [out, inner]: [usize; 2],
        bits: u32,
        one_less: bool,
        group: Option<usize>,
    ) -> Self {
        // In the whole word, as those who subtracted it did: a zero point of 0 borrowed from the
        // next.
        let one = if one_less { (0..32).step_by(bits as usize).map(|at| 1 << at).sum() } else { 0 };
        let groups = match (index, group) {
            (Some(index), _) => groups(index).collect(),
            (None, Some(group)) => (0..inner).map(|i| i / group).collect(),
            (None, None) => vec![0; inner],
        };
        Self { words, scales, zeros, groups, out, bits, one }
    }
}

impl Rows for Gptq<'_> {
    fn read(&self, row: usize, from: usize, to: &mut [f32]) -> Result<(), Unreadable> {
        let (bits, mask) = (self.bits, (1u32 << self.bits) - 1);
        let in_word = 32 / bits as usize;
        let part = |word: u32, within: usize| (word >> (bits * within as u32) & mask) as f32;
        let (mut known, mut scale, mut zero) = (usize::MAX, 0.0, 0.0);
        for (i, to) in (from..).zip(to.iter_mut()) {
            let group = self.groups[i];
            if group != known {
                let own = group * (self.out / in_word) + row / in_word;
                zero = part(word(self.zeros, own).wrapping_add(self.one), row % in_word);
                (known, scale) = (group, self.scales[group * self.out + row]);
            }
            let own = word(self.words, i / in_word * self.out + row);
            *to = scale * (part(own, i % in_word) - zero);
        }
        finite(to)
    }
}
