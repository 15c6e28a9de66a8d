//! Several models side by side, from what was kept of them: files of answers, the JSON of audits,
//! `results.json` of studies. No model is asked.
//!
//! [`Side`] is one model. [`side_by_side`] compares every model with the first. Where answers are
//! known by name, the difference has an interval for which the same names are drawn for both models,
//! and a test. [`tables`](crate::report::side_by_side_table) are in `report`.

mod documents;
mod paired;
mod rows;
mod sides;

pub use self::rows::side_by_side;
pub use self::sides::Side;
