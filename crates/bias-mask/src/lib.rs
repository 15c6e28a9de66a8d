//! Pruning masks: which weights of a model are chosen, as bitsets.
//!
//! Use it to choose weights from scores exactly, to combine choices by set
//! algebra, to apply them to any burn model and take them back bit for bit, and
//! to keep them in files that NumPy can read. One bit per weight: a mask of an
//! 8-billion-weight model is 1 GB. Not for training sparse models, nor for
//! kernels that run faster on zeros.
//!
//! ```
//! use bias_core::{Convention, ParamPath, ParamScores, Projection};
//! use bias_mask::{Mask, top_difference};
//!
//! let scores = |values: [f32; 4]| {
//!     ParamScores::new(ParamPath::of(0, Projection::Up), [2, 2], Convention::Importance, values.to_vec())
//! };
//! // What matters to one group and not to the other, among the top half of each.
//! let (a, b) = (scores([4.0, 3.0, 2.0, 1.0])?, scores([4.0, 1.0, 2.0, 3.0])?);
//! let mask = top_difference(&[a], &[b], 0.5)?;
//! assert_eq!(mask.iter().flat_map(|(_, bits)| bits.iter()).collect::<Vec<_>>(), [1]);
//! assert_eq!(mask.matched_random(7)?.count(), 1);
//! # Ok::<(), bias_mask::MaskError>(())
//! ```
//!
//! | module | what for |
//! |---|---|
//! | mask | [`Mask`]: set algebra, *common* masks, matched random |
//! | bits | [`BitMatrix`]: the bits of one matrix |
//! | comparison | [`select`], [`ComparisonGroup`]: the highest scores per matrix, per row, of all, or n of every m |
//! | select | [`top_fraction`], [`top_difference`], [`top_difference_scaled`], [`top_carriers`]: what methods choose |
//! | carriers | [`Carriers`]: the last of these from scores that come matrix by matrix and are not kept |
//! | device | [`top_fraction_on_device`], [`top_difference_on_device`]: the same, of scores that stay on a GPU |
//! | rank | the `k` highest scores, exactly, in parallel |
//! | units | [`unit_mask`], [`head_mask`], [`group_mask`], [`neuron_mask`], [`layer_mask`]: the weights of whole units |
//! | aggregate | [`aggregate`]: scores of weights, summed to scores of units |
//! | target | [`MaskTarget`]: what a model must offer |
//! | testing | `check_target`: what any model must do, for implementors (feature `testing`) |
//! | apply | [`Intervention`], [`Means`]: weights to zero, to a share, to what they pass on on average |
//! | directions | [`Directions`], [`Side`]: removed from a matrix's outputs or inputs |
//! | undo | [`Undo`]: back, bit for bit |
//! | changes | [`Changes`], [`Change`], [`ChangeId`]: several on one model, taken off in any order |
//! | file | [`Mask::save`], [`Mask::load`] |

mod aggregate;
mod apply;
mod bits;
mod carriers;
mod changes;
mod comparison;
mod device;
mod directions;
mod error;
mod file;
mod mask;
mod rank;
mod select;
mod target;
#[cfg(feature = "testing")]
pub mod testing;
mod undo;
mod units;

pub use aggregate::aggregate;
pub use apply::{Intervention, Means};
pub use bits::BitMatrix;
pub use carriers::Carriers;
pub use changes::{Change, ChangeId, Changes};
pub use comparison::{ComparisonGroup, select};
pub use device::{top_difference_on_device, top_fraction_on_device};
pub use directions::{Directions, Side};
pub use error::MaskError;
pub use mask::{Mask, Meeting};
pub use select::{top_carriers, top_difference, top_difference_scaled, top_fraction};
pub use target::MaskTarget;
pub use undo::Undo;
pub use units::{HeadAblation, group_mask, head_mask, layer_mask, neuron_mask, unit_mask};
