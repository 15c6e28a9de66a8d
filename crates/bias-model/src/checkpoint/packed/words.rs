use super::gptq::word;
use crate::checkpoint::rows::{Rows, finite};
use crate::checkpoint::unreadable::Unreadable;

/// A matrix as compressed-tensors packs it: the integers of an output lie beside each other in words
/// of 32 bits, the first input in the lowest bits. Each is stored larger by half of their number.
///
/// # Shapes
/// `words` `[out, ⌈in · bits / 32⌉]`, `scales` `[out, groups]`, and if there are zero points, `zeros`
/// `[⌈out · bits / 32⌉, groups]`, where neighbouring outputs share a word.
#[derive(Debug)]
pub(crate) struct Words<'a> {
    pub words: &'a [u8],
    pub scales: Vec<f32>,
    pub zeros: Option<&'a [u8]>,
    pub bits: u32,
    /// The number of inputs that share a scale.
    pub group: usize,
    pub inner: usize,
}

impl Rows for Words<'_> {
    fn read(&self, row: usize, from: usize, to: &mut [f32]) -> Result<(), Unreadable> {
        let (bits, mask) = (self.bits, (1u32 << self.bits) - 1);
        let in_word = 32 / bits as usize;
        let part = |word: u32, within: usize| (word >> (bits * within as u32) & mask) as f32;
        let (across, count) = (self.inner.div_ceil(in_word), self.inner.div_ceil(self.group));
        let half = (1u32 << (bits - 1)) as f32;
        let (mut known, mut scale, mut zero) = (usize::MAX, 0.0, half);
        for (i, to) in (from..).zip(to.iter_mut()) {
            let group = i / self.group;
            if group != known {
                if let Some(zeros) = self.zeros {
                    zero = part(word(zeros, row / in_word * count + group), row % in_word);
                }
                (known, scale) = (group, self.scales[row * count + group]);
            }
            *to = scale * (part(word(self.words, row * across + i / in_word), i % in_word) - zero);
        }
        finite(to)
    }
}
