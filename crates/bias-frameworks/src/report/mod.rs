//! Results over frameworks: a schema, a table for people, scores of every item.
//!
//! | file | what for |
//! |---|---|
//! | results | [`Report`]: the schema |
//! | assemble | [`Measured`], [`report`], [`changes`]: scores to results, with intervals, tests and Holm's correction |
//! | table | [`Report::table`](Report::table): for people |
//! | item_scores | [`item_scores`]: every text's score as CSV |

mod assemble;
mod item_scores;
mod results;
mod table;

pub use self::assemble::{ChangedMeasure, Measured, changes, correct_changes, report};
pub use self::item_scores::item_scores;
pub use self::results::{
    Change, Estimate, FrameworkResult, Measure, NotScored, Report, TestOfChange,
};
