//! Finding what to prune: every method, the masks made from their results, and the truth where it
//! is known.

mod candidate;
mod finding;
mod guarded;
mod masks;
mod method_input;
mod methods;
mod truth;

pub use self::candidate::Candidate;
pub(crate) use self::candidate::keep;
pub use self::finding::{Apart, Differences, Finding};
pub(crate) use self::masks::{
    Masks, head_masks, is_left_out, layer_masks, may_pass, pursuit_masks, weight_masks,
};
pub(crate) use self::method_input::KnownGap;
pub use self::method_input::MethodInput;
pub use self::methods::Method;
pub use self::truth::Truth;
