/// One of several contrasts that a method left out, because it has no gap to attribute
/// ([`AttribError::is_without_gap`](crate::AttribError::is_without_gap)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gapless {
    /// Which of the contrasts given.
    pub contrast: usize,
    /// Why.
    pub reason: String,
}
