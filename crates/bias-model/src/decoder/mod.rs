//! The model: a decoder-only transformer whose weights are on a device or left in their file.
//!
//! A pass goes through `model` and `forward`, and through `streamed` if weights are left in their
//! file. Observers use `hooked`, and masks `mask_target`.
//!
//! | file | what for |
//! |---|---|
//! | model | [`Decoder`]: its parts, loading and fresh weights |
//! | loader | reads the parts by the names in the architecture |
//! | memory, init | free memory; fresh weights |
//! | params, matrix, linear, block | parameters, matrices in memory or in the file, linear maps and norms, blocks |
//! | forward | the forward pass |
//! | router, mixture | which tokens reach which expert; the MLP of a mixture of experts |
//! | rotary, regroup | rotary tables; tokens and heads regrouped |
//! | kv_cache | [`KvCache`]: keys and values of tokens that were run |
//! | streamed, progress | layer by layer through a model in its file; [`LayerDone`] |
//! | side_by_side, graph_cuts | gradients of several batches at a time, and of the unembedding in pieces |
//! | asked | [`Answering`](bias_ask::Answering), [`Cached`](bias_ask::generate::Cached) |
//! | hooked, mask_target | [`HookedModel`](bias_probe::HookedModel), [`DifferentiableModel`](bias_probe::DifferentiableModel) and [`MaskTarget`](bias_mask::MaskTarget) |

mod asked;
pub(crate) mod block;
mod forward;
mod graph_cuts;
mod hooked;
mod init;
pub(crate) mod kv_cache;
pub(crate) mod linear;
mod loader;
mod mask_target;
mod matrix;
mod memory;
mod mixture;
pub(crate) mod model;
mod params;
mod progress;
mod regroup;
mod rotary;
mod router;
mod side_by_side;
mod streamed;

pub use self::kv_cache::KvCache;
pub use self::memory::free_memory;
pub use self::model::Decoder;
pub use self::progress::LayerDone;
