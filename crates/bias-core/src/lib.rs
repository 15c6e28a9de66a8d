//! The words the bias crates share, and nothing else: no tensors, no I/O.
//!
//! Use it when you write a model, a probe or an attribution method that should
//! talk to the others. You will rarely depend on it directly: every bias crate
//! re-exports what its own signatures need.
//!
//! ```
//! use bias_core::{HeadId, ModelDims, ParamPath, Projection, Site};
//!
//! let dims = ModelDims {
//!     layers: 6, d_model: 128, heads: 4, kv_heads: 2, d_head: 32, d_mlp: 352, gated: true, vocab: 640,
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
//! # Ok::<(), bias_core::CoreError>(())
//! ```
//!
//! | module | words |
//! |---|---|
//! | dims | [`ModelDims`]: the sizes of a decoder |
//! | projection | [`Projection`], [`Sublayer`]: the seven linear maps of a block |
//! | param | [`ParamPath`]: a Hugging Face parameter name |
//! | site | [`Site`], [`BlockSite`]: where an activation can be seen or replaced |
//! | unit | [`Unit`], [`UnitKind`], [`HeadId`], [`KvGroupId`], [`NeuronId`]: what can be pruned |
//! | scores | [`ParamScores`], [`UnitScores`], [`Convention`]: what attribution produces |
//! | scale | [`Scale`]: what a distribution over answers is summed up by |
//! | token_set | [`TokenSet`]: a set of tokens |
//! | role | [`TokenRole`]: what a token is in the prompt |
//! | group | [`Group`], [`Context`]: who and where |

mod dims;
mod error;
mod group;
mod param;
mod projection;
mod role;
mod scale;
mod scores;
mod site;
mod token_set;
mod unit;

pub use dims::ModelDims;
pub use error::CoreError;
pub use group::{Context, Group};
pub use param::ParamPath;
pub use projection::{Projection, Sublayer};
pub use role::TokenRole;
pub use scale::Scale;
pub use scores::{Convention, ParamScores, UnitScores};
pub use site::{BlockSite, Site};
pub use token_set::TokenSet;
pub use unit::{HeadId, KvGroupId, NeuronId, Unit, UnitKind};
