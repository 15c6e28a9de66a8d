//! The people and questions: prompt files, checked, and the names that attribution may see.

mod comparable;
mod held_out;
mod read;
mod records;
mod row;
#[cfg(test)]
mod sample;
mod set;
mod variation_index;

pub(crate) use self::records::{Rows, bad};
pub use self::set::{ContextPrompts, Person, PromptSet, Variation};
pub(crate) use self::variation_index::{Names, VariationIndex, arms};
