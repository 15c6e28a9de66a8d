use std::ops::Range;

use burn::tensor::{Tensor, backend::Backend};

/// A part of a `[batch, seq, channels]` activation, of which everything outside of its parts is 0:
/// what reaches an expert of a mixture, or what the expert computes.
#[derive(Debug, Clone)]
pub struct ChannelPart<B: Backend> {
    /// The tokens, by `row · width + column`, in ascending order.
    pub cells: Vec<usize>,
    /// The channels.
    pub channels: Range<usize>,
    /// `[cells, channels]`
    pub value: Tensor<B, 2>,
}
