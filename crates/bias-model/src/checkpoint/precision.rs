use serde::{Deserialize, Serialize};

/// How weights are held. Computations are in the device's own float type either way: f32,
/// unless burn's `set_default_dtypes` has said bf16; then weights are held in that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Precision {
    /// Widened to the backend's float type once, when loaded: fastest to use.
    #[default]
    F32,
    /// As in the file, bf16 and f16 included, and widened matrix by matrix whenever used: half the
    /// memory, slower where few tokens run at a time. A backend without these types (ndarray)
    /// widens as above, and so does what is quantized in a GGUF file on every backend.
    Stored,
    /// Left in the mapped file, and widened layer by layer whenever used: a model may be far
    /// larger than memory. Many prompts at a time share what reading costs. What is
    /// computed is what [`F32`](Self::F32) gives, bit for bit; gradients are taken layer by
    /// layer, by the methods that can do with that.
    Mapped,
}
