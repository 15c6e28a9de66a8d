//! Changes of a model's weights that can be taken back bit for bit.
//!
//! | file | what for |
//! |---|---|
//! | target | [`MaskTarget`]: a model that can be changed |
//! | apply | [`Intervention`], [`Means`]: weights zeroed, scaled or replaced by their mean contribution |
//! | directions | [`Directions`], [`Side`]: removed from a matrix's outputs or inputs |
//! | undo | [`Undo`]: back, bit for bit |
//! | changes | [`Changes`], [`Change`], [`ChangeId`]: several on one model, taken off in any order |

pub(crate) mod apply;
pub(crate) mod changes;
pub(crate) mod directions;
pub(crate) mod target;
mod undo;

pub use self::apply::{Intervention, Means};
pub use self::changes::{Change, ChangeId, Changes};
pub use self::directions::{Directions, Side};
pub use self::target::MaskTarget;
pub use self::undo::Undo;
