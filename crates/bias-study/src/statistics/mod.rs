//! From kept answers to results, without a model.

mod also;
mod assemble;
mod groups;
mod locate;
mod measure;
mod measured;
mod overlaps;
mod reference;
mod significance;
mod spread;
mod tested;

pub(crate) use self::also::also;
pub(crate) use self::assemble::{assemble, prompt_info};
pub(crate) use self::groups::differences_by;
pub(crate) use self::measure::Measure;
pub(crate) use self::measured::Measured;
pub(crate) use self::reference::Reference;
pub(crate) use self::spread::spread;
pub(crate) use self::tested::Tested;
