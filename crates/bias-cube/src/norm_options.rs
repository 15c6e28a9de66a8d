use burn::tensor::DType;

/// What a norm does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormOptions {
    /// Whether the mean is taken off first: a layer norm
    pub centred: bool,
    /// Whether the gain is counted from 1
    pub plus_one: bool,
    /// What is added to the mean square
    pub eps: f64,
    /// The type of the result
    pub dtype: DType,
}
