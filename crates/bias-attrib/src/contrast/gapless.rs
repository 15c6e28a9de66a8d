/// A contrast that a method of several contrasts left out, because it has no gap to attribute
/// ([`AttribError::is_without_gap`](crate::AttribError::is_without_gap)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gapless {
    /// The number of the contrast among those given.
    pub contrast: usize,
    /// The reason.
    pub reason: String,
}
