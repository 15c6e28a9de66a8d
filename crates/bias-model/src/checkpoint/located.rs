use super::view::{Beside, Kind, Twist};

/// The place of a tensor in a checkpoint.
#[derive(Debug, Clone)]
pub(crate) struct Located {
    pub name: String,
    pub main: Span,
    pub kind: Kind,
    pub twist: Twist,
    pub beside: Beside<Span>,
    pub shape: [usize; 2],
}

/// The place of some bytes in a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub shard: usize,
    pub start: usize,
    pub len: usize,
}

impl Located {
    pub(crate) fn spans(&self) -> impl Iterator<Item = &Span> {
        [&self.main].into_iter().chain(self.beside.iter())
    }
}
