//! The input of a method: prompts about people of two groups, their possible answers, and the value
//! of answers on a scale.
//!
//! | file | what for |
//! |---|---|
//! | prompt_case | [`Contrast`], [`PromptCase`], [`PossibleAnswer`]: the input of methods |
//! | builder | [`ContrastBuilder`]: builds a contrast and checks it |
//! | gapless | [`Gapless`]: a contrast without a gap, and why |
//! | expected | [`summed_up`]: the value of answers on a [`Scale`] |
//!
//! Scales and sets of tokens are re-exported from bias-types.

mod builder;
pub(crate) mod expected;
pub(crate) mod gapless;
pub(crate) mod prompt_case;

pub use self::builder::ContrastBuilder;
pub use self::expected::summed_up;
pub use self::gapless::Gapless;
pub use self::prompt_case::{Contrast, PossibleAnswer, PromptCase};
pub use bias_types::prompt::{Scale, TokenSet};
