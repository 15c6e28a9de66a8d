/// Logits to make at a time: 2²⁴, which take 64 MiB in f32.
///
/// Whoever makes logits from hidden states makes no more of them together, whatever the vocabulary
/// and however many positions are predicted from. A single position's are made in any case.
pub const LOGITS_AT_ONCE: usize = 1 << 24;
