//! The GPU that tests run on.

/// NVIDIA's where it is built for, or whatever wgpu finds.
#[cfg(feature = "cuda")]
pub type B = burn::backend::Cuda;
#[cfg(not(feature = "cuda"))]
pub type B = burn::backend::Wgpu;
