//! The imports of a program with its own model: `use bias_attrib::prelude::*;`.
//!
//! | for | names |
//! |---|---|
//! | a model | [`HookedModel`], [`DifferentiableModel`], [`MaskTarget`]; [`ModelDims`], [`ParamPath`], [`Projection`], [`Site`], [`BlockSite`] |
//! | prompts | [`Sequence`], [`TokenRole`], [`TokenBatch`]; [`Contrast`], [`PromptCase`], [`PossibleAnswer`] |
//! | methods | [`Attribution`], [`SignedGap`], [`Wanda`], [`GapPursuit`]; [`ParamScores`], [`UnitScores`], [`SetDifference`] |
//! | masks | [`Mask`], [`top_k`], [`top_fraction`], [`Intervention`] |
//! | hooks | [`Observer`], [`NoObserver`], [`Capture`] |
//! | errors | [`AttribError`], [`ProbeError`], [`MaskError`] |

pub use bias_mask::{Intervention, Mask, MaskError, MaskTarget, top_fraction, top_k};
pub use bias_probe::{
    Capture, DifferentiableModel, HookedModel, NoObserver, Observer, ProbeError, Sequence,
    TokenBatch, Weights,
};
pub use bias_types::{
    BlockSite, Convention, ModelDims, ParamPath, ParamScores, Projection, Site, TokenRole,
    UnitScores,
};

pub use crate::contrast::{Contrast, PossibleAnswer, PromptCase};
pub use crate::error::AttribError;
pub use crate::methods::{Attribution, SignedGap, Wanda};
pub use crate::pursuit::GapPursuit;
pub use crate::scores::SetDifference;
