//! Masks of several contexts, of which the one that fits a prompt is applied.
//!
//! A mask that removes a bias in one context may do little in another. A gate keeps one mask for
//! each context. It reads the context from the model's own activations, before anything is masked,
//! and names the context that a prompt is most like. Masks go on and off between prompts
//! ([`bias_mask::Mask::apply`]), so the weights stay as they are.
//!
//! | file | what for |
//! |---|---|
//! | nearest | [`Gate`]: which context a prompt is like, and its file |
//! | read | [`read`]: what it reads of prompts |

mod nearest;
mod read;

pub use self::nearest::Gate;
pub use self::read::{middle, read};
