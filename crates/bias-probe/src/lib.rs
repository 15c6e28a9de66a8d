//! See, and replace, what happens inside a language model while it runs.
//!
//! Use it to collect statistics of activations over any number of prompts in bounded memory, to
//! capture activations to disk, or to write your own hook. A hook is an [`Observer`]. It goes
//! through the forward pass of any [`HookedModel`], which calls it at the [`Site`]s it wants. A
//! site that nobody wants costs one branch.
//!
//! This crate is not for training loops, nor for models that are not decoder-only transformers.
//!
//! ```
//! use bias_probe::{Observer, ProbeError, Site, TokenBatch};
//! use burn::tensor::{Tensor, backend::Backend};
//!
//! /// Silences the MLP of one layer.
//! struct SilenceMlp(usize);
//!
//! impl<B: Backend> Observer<B> for SilenceMlp {
//!     fn wants(&self, site: Site) -> bool {
//!         site == Site::Block(self.0, bias_probe::BlockSite::MlpOut)
//!     }
//!     fn hidden(
//!         &mut self, _: Site, _: &TokenBatch, value: Tensor<B, 3>,
//!     ) -> Result<Tensor<B, 3>, ProbeError> {
//!         Ok(value.zeros_like())
//!     }
//! }
//! ```
//!
//! | room | what for |
//! |---|---|
//! | [`batch`] | tokens with roles, padded, possibly branching |
//! | [`hooks`] | the observer, the model it runs in, and observers that keep, replace or patch activations |
//! | [`stats`] | sums, means, variances, maxima, squares and attention, while a model runs |
//! | [`gradients`] | gradients of matrices from their inputs and the gradients of their outputs |
//! | [`device`] | sums and norms in f32 where a device computes in bf16; where its tensors are; logits at a time |
//! | [`error`] | [`ProbeError`] |
//! | threads | [`in_threads`]: work through items side by side, until one fails |
//! | testing | `check_model`: checks of any model, for implementors (feature `testing`) |
//!
//! # Features
//!
//! - `testing`, off by default: the module of that name.
//! - `ndarray-views`, off by default: statistics, captures and scores as arrays of the crate
//!   ndarray.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

pub mod batch;
pub mod device;
pub mod error;
pub mod gradients;
pub mod hooks;
pub mod stats;
#[cfg(feature = "testing")]
pub mod testing;
mod threads;

pub use batch::{Sequence, TokenBatch};
pub use bias_types::{BlockSite, ModelDims, ParamPath, Projection, Site, TokenRole};
pub use error::ProbeError;
pub use gradients::DifferentiableModel;
pub use hooks::{Capture, HookedModel, NoObserver, Observer, Weights};
pub use stats::StatsCollector;
pub use threads::in_threads;
