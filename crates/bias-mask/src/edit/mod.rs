//! Changes of a model's weights that can be taken back bit for bit.
//!
//! | file | what for |
//! |---|---|
//! | target | [`MaskTarget`]: a model that can be changed |
//! | apply | [`Intervention`], [`Means`]: weights zeroed, scaled or replaced by their mean contribution |
//! | directions | [`Directions`], [`Side`]: removed from a matrix's outputs or inputs |
//! | concept | [`ConceptEdit`], [`EditedInput`], [`Metric`]: the difference of groups taken off what a matrix reads |
//! | whitening | [`Whitening`]: the covariance that tells a concept from the rest |
//! | undo | [`Undo`]: back, bit for bit |
//! | changes | [`Changes`], [`Change`], [`ChangeId`]: several on one model, taken off in any order |

pub(crate) mod apply;
pub(crate) mod changes;
pub(crate) mod concept;
pub(crate) mod directions;
pub(crate) mod target;
mod undo;
pub(crate) mod whitening;

pub use self::apply::{Intervention, Means};
pub use self::changes::{Change, ChangeId, Changes};
pub use self::concept::{ConceptEdit, EditedInput, Metric, check_strength};
pub use self::directions::{Directions, Side};
pub use self::target::MaskTarget;
pub use self::undo::Undo;
pub use self::whitening::Whitening;
