//! The model: a decoder-only transformer whose weights are held on a device or left in their file.
//!
//! A pass goes through `model`, `forward` and, where weights are left in their file, `streamed`;
//! observers and masks see it through `hooked` and `mask_target`.
//!
//! | file | what for |
//! |---|---|
//! | model | [`Decoder`]: its parts, and how they are loaded and drawn |
//! | loader | reads the parts by the names that an architecture gives them |
//! | memory, init | whether a model fits; fresh weights |
//! | params, matrix, block | parameters, matrices held or in the file, linear maps, norms and blocks |
//! | forward | the forward pass |
//! | rotary, regroup | rotary tables; tokens and heads regrouped |
//! | kv_cache | [`KvCache`]: keys and values of what was already run |
//! | streamed, progress | layer by layer through a model that is left in its file; [`LayerDone`] |
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
mod loader;
mod mask_target;
mod matrix;
mod memory;
pub(crate) mod model;
mod params;
mod progress;
mod regroup;
mod rotary;
mod side_by_side;
mod streamed;

pub use self::kv_cache::KvCache;
pub use self::model::Decoder;
pub use self::progress::LayerDone;
