//! From scores to masks: the exact `k` highest of a matrix, a row, a block or of all matrices,
//! streamed or on a GPU.
//!
//! | file | what for |
//! |---|---|
//! | top | [`top_fraction`], [`top_difference`], [`top_difference_scaled`], [`top_k`]: the selections of published methods |
//! | comparison_group | [`select()`], [`ComparisonGroup`]: the highest scores per matrix, per row, of all, or n of every m |
//! | streaming_top_k | [`StreamingTopK`]: [`top_k`] of scores that come matrix by matrix and are not kept |
//! | on_device | [`top_fraction_on_device`], [`top_difference_on_device`]: the same, of scores that stay on a GPU |
//! | aggregate | [`aggregate()`]: scores of weights, summed to scores of units |
//! | input_norms | [`InputNorms`]: what Wanda multiplies weights by |
//! | rank | the `k` highest scores, exactly, in parallel |

mod aggregate;
mod comparison_group;
mod input_norms;
mod on_device;
mod rank;
mod streaming_top_k;
mod top;

pub use self::aggregate::aggregate;
pub use self::comparison_group::{ComparisonGroup, select};
pub use self::input_norms::InputNorms;
pub use self::on_device::{top_difference_on_device, top_fraction_on_device};
pub use self::streaming_top_k::StreamingTopK;
pub use self::top::{top_difference, top_difference_scaled, top_fraction, top_k};
