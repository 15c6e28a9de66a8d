//! The parts of a decoder: its sizes, its matrices and their names, the sites of its activations,
//! and the units that can be pruned.
//!
//! | file | words |
//! |---|---|
//! | dims | [`ModelDims`]: the sizes of a decoder |
//! | experts | [`Experts`]: the sizes of a mixture of experts |
//! | param_path | [`ParamPath`]: a Hugging Face parameter name |
//! | number | the one spelling of an index in a name |
//! | projection | [`Projection`], [`Sublayer`]: the seven linear maps of a block |
//! | site | [`Site`], [`BlockSite`]: where an activation can be seen or replaced |
//! | unit | [`Unit`], [`UnitKind`], [`HeadId`], [`KvGroupId`], [`ExpertId`], [`NeuronId`]: units that can be pruned |

mod dims;
mod experts;
mod number;
pub(crate) mod param_path;
mod projection;
mod site;
pub(crate) mod unit;

pub use self::dims::ModelDims;
pub use self::experts::Experts;
pub use self::param_path::ParamPath;
pub use self::projection::{Projection, Sublayer};
pub use self::site::{BlockSite, Site};
pub use self::unit::{ExpertId, HeadId, KvGroupId, NeuronId, Unit, UnitKind};
