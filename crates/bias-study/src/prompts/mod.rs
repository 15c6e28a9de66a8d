//! The people and questions: prompt files, checked, and the names that attribution may see.

mod both_sides;
mod columns;
mod comparable;
mod held_out;
mod names;
mod read;
mod records;
mod row;
#[cfg(test)]
mod sample;
mod set;
mod unsure;
mod variation_index;

pub(crate) use self::records::{Rows, Schema, bad};
pub use self::set::{ContextPrompts, Person, PromptSet, REST, Variation};
pub use self::unsure::UnsureMention;
pub(crate) use self::variation_index::{Names, VariationIndex, arms};
