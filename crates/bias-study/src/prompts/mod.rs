//! Whom a model is asked about and how: prompt files, checked, and who of them attribution may see.

mod held_out;
mod places;
mod read;
mod rows;
mod set;

pub(crate) use self::places::{Names, Place, arms};
pub(crate) use self::rows::{Rows, bad};
pub use self::set::{ContextPrompts, Person, PromptSet, Variation};
