//! See, and replace, what happens inside a language model while it runs.
//!
//! Use it to collect statistics of activations over any number of prompts in
//! bounded memory, to capture them to disk, or to write your own hook: an
//! [`Observer`] is passed through the forward pass of any [`HookedModel`] and
//! is called at the [`Site`]s it wants. A site nobody wants costs one branch.
//! Not for training loops or for models that are not decoder-only transformers.
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
//! | module | what for |
//! |---|---|
//! | batch | [`Sequence`], [`TokenBatch`]: tokens with roles, padded, possibly branching |
//! | observer | [`Observer`], [`NoObserver`], [`Both`], [`Edit`]: the hook |
//! | model | [`HookedModel`], [`DifferentiableModel`]: what a model must offer |
//! | factors | [`FactorTrace`], [`Factors`]: gradients of matrices from what went in and what came back |
//! | patch | [`Patch`], [`Alignment`]: activations of another run put into this one |
//! | stats, statistics | [`StatsCollector`], [`ChannelStats`]: sums, means, variances, maxima by group and role |
//! | squares | [`SquareSums`]: streaming sums of squares per channel and token role |
//! | attention | [`NameAttention`]: attention from answer tokens to the name's tokens |
//! | testing | `check_model`: what any model must do, for implementors (feature `testing`) |
//! | wide | [`wide`], [`wide_from`], [`computed_in`]: sums and norms in f32 where a device computes in bf16 |
//! | memory | [`Memory`]: where a device's tensors are |
//! | capture | [`Capture`]: whole activations, to memory or safetensors |

mod attention;
mod batch;
mod capture;
mod error;
mod factors;
mod memory;
mod model;
mod observer;
mod patch;
mod sites;
mod squares;
mod statistics;
mod stats;
#[cfg(feature = "testing")]
pub mod testing;
mod wide;
mod write;

pub use attention::NameAttention;
pub use batch::{Sequence, TokenBatch};
pub use bias_core::{BlockSite, ModelDims, ParamPath, Projection, Site, TokenRole};
pub use capture::{Capture, Captured};
pub use error::ProbeError;
pub use factors::{
    FactorTrace, Factors, OfMatrices, by_matrix, factors, tokens_at_a_time, tracked_zero, waves,
};
pub use memory::Memory;
pub use model::{DifferentiableModel, HookedModel, Loss, TakeFactors};
pub use observer::{Both, Edit, NoObserver, Observer};
pub use patch::{Alignment, Patch};
pub use squares::{ChannelSquares, SquareSums};
pub use statistics::{ChannelStats, GroupStats};
pub use stats::StatsCollector;
pub use wide::{computed_in, wide, wide_from};
