//! Training on texts that are drawn as they are needed: small models from scratch, or a large one a
//! little.
//!
//! | file | what for |
//! |---|---|
//! | fit | [`fit`], [`fit_weighed`], [`text_loss`]: AdamW on texts, or on anything with a weight |
//! | low_rank | [`LowRank`]: a change of low rank to every matrix of a frozen model |
//! | drift | [`drift`]: how far predictions on neutral text have moved |
//! | adapters | the change, in a pass and in the weights |

mod adapters;
mod drift;
mod fit;
mod low_rank;

pub(crate) use self::adapters::{Adapted, Adapters};
pub use self::drift::drift;
pub use self::fit::{Recipe, Text, fit, fit_weighed, text_loss};
pub use self::low_rank::LowRank;
