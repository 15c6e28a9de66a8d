//! The influence of outliers and unexplored answers on a number: order statistics, fences, bounds.
//!
//! | file | what for |
//! |---|---|
//! | quantile | [`weighted_quantile`], [`winsorise`]: order statistics and outliers |
//! | inlier | [`TukeyFences`], [`inlier_ratio`], [`inlier_share`]: whether answers still make sense |
//! | bounds | [`Bounds`], [`smd_bounds`], [`mean_bounds`], [`explored_range`]: the range that unexplored answers leave open |

mod bounds;
mod inlier;
pub(crate) mod quantile;

pub use self::bounds::{Bounds, explored_range, mean_bounds, smd_bounds};
pub use self::inlier::{TukeyFences, inlier_ratio, inlier_share};
pub use self::quantile::{weighted_quantile, winsorise};
