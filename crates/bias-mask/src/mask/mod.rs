//! Masks: compressed bits, combined by set algebra, made from whole units, and kept in files.
//!
//! | file | what for |
//! |---|---|
//! | set | [`Mask`], [`Meeting`]: set algebra, *common* masks, matched random |
//! | bits | [`BitMatrix`]: the bits of one matrix |
//! | units | [`unit_mask`], [`head_mask`], [`group_mask`], [`neuron_mask`], [`layer_mask`], [`HeadAblation`]: the weights of whole units |
//! | file | [`Mask::save`], [`Mask::load`] |

pub(crate) mod bits;
mod file;
pub(crate) mod set;
mod units;

pub use self::bits::BitMatrix;
pub use self::set::{Mask, Meeting};
pub use self::units::{
    HeadAblation, expert_mask, group_mask, head_mask, layer_mask, neuron_mask, unit_mask,
};
