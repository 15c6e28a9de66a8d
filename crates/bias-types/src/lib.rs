//! The vocabulary that the bias crates share. It has no tensors and no I/O.
//!
//! Use it when you write a model, a probe or an attribution method that should talk to the others.
//! You will rarely depend on it directly: every bias crate re-exports the types in its own
//! signatures.
//!
//! ```
//! use bias_types::model::HeadId;
//! use bias_types::{ModelDims, ParamPath, Projection, Site};
//!
//! let dims = ModelDims {
//!     layers: 6, d_model: 128, heads: 4, kv_heads: 2, d_head: 32, d_mlp: 352, gated: true, vocab: 640,
//!     experts: None,
//! };
//! // Query head 3 writes through these columns of o_proj, and reads KV group 1.
//! let head = HeadId::new(2, 3);
//! assert_eq!(dims.head_columns(head)?, 96..128);
//! assert_eq!(dims.kv_group(head)?, 1);
//!
//! // Hugging Face names, both ways.
//! let path: ParamPath = "model.layers.2.self_attn.o_proj.weight".parse()?;
//! assert_eq!(path.projection(), Some((2, Projection::O)));
//! assert_eq!(Projection::O.input_site(2).to_string(), "model.layers.2.self_attn.o_proj.input");
//! assert_eq!("model.layers.2.self_attn.o_proj.input".parse::<Site>()?, Projection::O.input_site(2));
//! # Ok::<(), bias_types::TypesError>(())
//! ```
//!
//! | room | words |
//! |---|---|
//! | [`model`] | the parts of a decoder: sizes, matrices, parameter names, sites, units that can be pruned |
//! | [`prompt`] | roles and sets of tokens, groups and contexts, the scale of answers |
//! | [`scores`] | the results of attribution: scores of weights and of units |
//! | [`error`] | [`TypesError`] |
//!
//! # Features
//!
//! - `ndarray-views`, off by default: scores as arrays of the crate ndarray.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

pub mod error;
pub mod model;
pub mod prompt;
pub mod scores;
#[cfg(feature = "ndarray-views")]
mod views;

pub use error::TypesError;
pub use model::{BlockSite, ModelDims, ParamPath, Projection, Site, Unit, UnitKind};
pub use prompt::TokenRole;
pub use scores::{Convention, ParamScores, UnitScores};
