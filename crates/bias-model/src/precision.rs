use serde::{Deserialize, Serialize};

/// The type that weights are held in. Computations are in the backend's own float type
/// either way: f32 on a CPU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Widened to the backend's float type once, when loaded: fastest to use.
    #[default]
    F32,
    /// As in the file, bf16 and f16 included, and widened matrix by matrix whenever
    /// used: half the memory, slower where few tokens run at a time. A backend without
    /// these types (ndarray) widens as above.
    Stored,
}
