//! The ways to a distribution of answers through a server's interface.
//!
//! | file | what for |
//! |---|---|
//! | way | [`Way`]: which of them |
//! | tree | the answers that are known, as a tree of tokens with probabilities |
//! | exact | a tree that grows where the most probability is open |
//! | paths | a tree along answers that were drawn |
//! | samples | answers that were drawn and counted |

mod exact;
mod paths;
mod samples;
mod tree;
mod way;

pub(crate) use self::exact::{Limits, exact};
pub(crate) use self::paths::paths;
pub(crate) use self::samples::{Drawing, samples};
pub use self::way::Way;
