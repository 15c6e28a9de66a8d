//! One name's answers, their moments, and the size of the difference between groups.
//!
//! | file | what for |
//! |---|---|
//! | values | [`NameAnswers`], [`Weighting`], [`drawn_error`], [`sampling_errors`]: one name's answers |
//! | moments | [`NameMoments`]: the moments of one name's answers |
//! | smd | [`smd()`], [`EffectSize`], [`smd_resampled`], [`smd_error`], [`reduction`], [`context_bias`], [`ContextBias`]: the size of the bias |
//! | hedges | [`hedges_g`], [`HedgesG`]: the difference in deviations between names |
//! | spread | [`cohens_f`]: the size of the difference between any number of groups |
//! | sample | one number per name, checked |

mod hedges;
pub(crate) mod moments;
pub(crate) mod sample;
mod smd;
mod spread;
pub(crate) mod values;

pub use self::hedges::{HedgesG, hedges_g};
pub use self::moments::NameMoments;
pub use self::smd::{
    ContextBias, EffectSize, context_bias, reduction, smd, smd_error, smd_resampled,
};
pub use self::spread::cohens_f;
pub use self::values::{NameAnswers, Weighting, drawn_error, sampling_errors};
