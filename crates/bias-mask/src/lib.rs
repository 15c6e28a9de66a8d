//! Pruning masks: which weights of a model are chosen, as bitsets.
//!
//! Use it to choose weights from scores exactly, to combine choices by set algebra, to apply them
//! to any burn model and take them back bit for bit, and to keep them in files that NumPy can read.
//! A mask is compressed: two bytes for each chosen weight where few are chosen, and at most one bit
//! per weight. One percent of 8 billion weights takes 160 MB.
//!
//! This crate is not for training sparse models, nor for kernels that run faster on zeros.
//!
//! ```
//! use bias_types::{Convention, ParamPath, ParamScores, Projection};
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
//! | room | what for |
//! |---|---|
//! | [`mask`] | the chosen weights: bits, set algebra, the weights of whole units, files |
//! | [`select`] | from scores to masks: the highest of a matrix, a row, a block or of all; streamed, or on a GPU |
//! | [`edit`] | changes of a model's weights that can be taken back bit for bit |
//! | [`error`] | [`MaskError`] |
//! | testing | `check_target`: checks of any model, for implementors (feature `testing`) |

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

pub mod edit;
pub mod error;
pub mod mask;
pub mod select;
#[cfg(feature = "testing")]
pub mod testing;

pub use edit::{Intervention, MaskTarget};
pub use error::MaskError;
pub use mask::{BitMatrix, HeadAblation, Mask, unit_mask};
pub use select::{top_difference, top_fraction, top_k};
