use serde::{Deserialize, Serialize};

/// The type of weights in memory. Computations always use the device's own float type: f32, or bf16
/// if burn's `set_default_dtypes` says so; then weights have that type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Precision {
    /// Converted once to the backend's float type when loaded. This is the fastest to use.
    #[default]
    F32,
    /// The type in the file, including bf16 and f16. Each matrix is widened whenever it is used.
    /// This takes half the memory, and is slower when few tokens run at a time. A backend without
    /// these types (ndarray) widens as above. Quantized weights of a GGUF file are widened on every
    /// backend.
    Stored,
    /// Left in the mapped file, and widened layer by layer whenever used, so a model may be far
    /// larger than memory. Many prompts at a time share the cost of reading. The results equal
    /// those of [`F32`](Self::F32) bit for bit. Methods that support it take gradients layer by
    /// layer.
    Mapped,
}
