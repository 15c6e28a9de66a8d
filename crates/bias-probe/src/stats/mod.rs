//! Observers that take sums while a model runs, over any number of prompts, in memory that does not
//! grow with that number.
//!
//! | file | what for |
//! |---|---|
//! | collector | [`StatsCollector`]: sums, means, variances, maxima by group and role, while they are collected |
//! | channel_stats | [`ChannelStats`], [`GroupStats`]: the same when finished, and their file |
//! | squares | [`SquareSums`], [`ChannelSquares`]: streaming sums of squares per channel and token role |
//! | arrays | both as arrays of the crate ndarray (feature `ndarray-views`) |
//! | name_attention | [`NameAttention`]: attention from answer tokens to the name's tokens |

#[cfg(feature = "ndarray-views")]
mod arrays;
mod channel_stats;
mod collector;
mod name_attention;
mod squares;

pub use self::channel_stats::{ChannelStats, GroupStats};
pub use self::collector::StatsCollector;
pub use self::name_attention::NameAttention;
pub use self::squares::{ChannelSquares, SquareSums};
