//! The people and questions: prompt files, checked, and the names that attribution may see.

mod both_sides;
mod columns;
mod comparable;
mod held_out;
mod names;
mod origin;
mod read;
mod records;
mod row;
#[cfg(test)]
mod sample;
mod set;
mod sheet;
mod unsure;
mod variation_index;

pub(crate) use self::read::{Compared, Overview};
pub(crate) use self::records::{Rows, bad};
pub(crate) use self::row::{ASKED, NEEDED, PromptRecord, truth};
pub use self::set::{ContextPrompts, Person, PromptSet, REST, Variation};
pub(crate) use self::sheet::{Schema, Sheet};
pub use self::unsure::UnsureMention;
pub(crate) use self::variation_index::{Names, VariationIndex, arms};
