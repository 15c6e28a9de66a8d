use std::ops::Range;

use serde::{Deserialize, Serialize};

/// The sizes of a mixture of experts (Shazeer et al. 2017, arXiv 1701.06538).
///
/// A mixture of gated experts is one gated MLP whose hidden channels are divided among the experts
/// and multiplied by the weights of a router, most of them 0. So its matrices are those of one MLP:
/// expert `e` has the channels `e · d_expert..(e + 1) · d_expert`. An expert that every token
/// reaches has the last channels, and the number after the last of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Experts {
    /// Experts of a block that a router chooses from.
    pub count: usize,
    /// Hidden channels of each.
    pub d_expert: usize,
    /// Experts that a router chooses for a token.
    pub per_token: usize,
    /// Hidden channels of the expert that every token reaches; 0 if there is none.
    pub shared: usize,
}

impl Experts {
    /// The experts of a block, the one that every token reaches included.
    #[must_use]
    pub fn all(&self) -> usize {
        self.count + usize::from(self.shared > 0)
    }

    /// The hidden channels of all experts, which are those of the MLP. `None` if they cannot be
    /// counted.
    #[must_use]
    pub fn width(&self) -> Option<usize> {
        self.count.checked_mul(self.d_expert)?.checked_add(self.shared)
    }

    /// The hidden channels of an expert.
    #[must_use]
    pub fn channels(&self, expert: usize) -> Range<usize> {
        let start = expert.min(self.count) * self.d_expert;
        let len = if expert < self.count { self.d_expert } else { self.shared };
        start..start + len
    }

    /// The expert that a hidden channel belongs to.
    #[must_use]
    pub fn of_channel(&self, channel: usize) -> usize {
        (channel / self.d_expert.max(1)).min(self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_divided_in_order() {
        let experts = Experts { count: 3, d_expert: 4, per_token: 2, shared: 5 };
        assert_eq!((experts.all(), experts.width()), (4, Some(17)));
        let ranges: Vec<_> = (0..4).map(|e| experts.channels(e)).collect();
        assert_eq!(ranges, [0..4, 4..8, 8..12, 12..17]);
        for (expert, own) in ranges.into_iter().enumerate() {
            assert!(own.into_iter().all(|channel| experts.of_channel(channel) == expert));
        }
        let alone = Experts { shared: 0, ..experts };
        assert_eq!((alone.all(), alone.width()), (3, Some(12)));
        assert_eq!(Experts { count: usize::MAX, ..experts }.width(), None);
    }
}
