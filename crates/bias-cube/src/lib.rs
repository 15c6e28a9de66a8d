//! What burn's GPU backends are slow at, done faster, for code that is written for any backend.
//!
//! burn 0.21 chooses its GPU kernels by trying all of them for every new shape (its feature
//! `autotune`), which takes minutes before a first answer, or else takes one kernel for everything.
//! This crate says which kernel suits which shape, and brings some of its own:
//!
//! | | what it does | instead of |
//! |---|---|---|
//! | [`matmul`] | products by their shape; a few rows by a large matrix, read once; f32 in f32, not in TF32 | one kernel for all |
//! | [`norm`] | RMS and layer norms | nine kernels |
//! | [`masked_softmax`] | a softmax of what is not masked | eight kernels |
//! | [`gated_silu`], [`rotated`] | the gate of an MLP, rotary embeddings | five and four kernels |
//! | [`count_reaching`] | how many numbers reach a threshold | three kernels and two tensors |
//!
//! All but the first give `None` where they have nothing better: on a processor, where gradients
//! are tracked, for layouts that they do not know. The caller then does what it would have done:
//!
//! ```
//! use burn::backend::Flex;
//! use burn::tensor::{Tensor, activation::silu, backend::Backend};
//!
//! fn gated<B: Backend>(gate: Tensor<B, 2>, up: Tensor<B, 2>) -> Tensor<B, 2> {
//!     bias_cube::gated_silu(&gate, &up).unwrap_or_else(|| silu(gate) * up)
//! }
//!
//! let of = |number: f32| Tensor::<Flex, 2>::from_data([[number]], &Default::default());
//! assert_eq!(gated(of(0.0), of(3.0)).into_scalar(), 0.0);
//! ```
//!
//! Without the feature `cuda` (or `wgpu`, which the kernels are tested on), the functions are all
//! there is.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

#[cfg(any(feature = "cuda", feature = "wgpu"))]
mod kernels;
mod norm_options;
mod ops;

pub use norm_options::NormOptions;
pub use ops::{count_reaching, gated_silu, masked_softmax, matmul, norm, rotated};
