//! Scores: how likely a model finds the texts of items.
//!
//! | file | what for |
//! |---|---|
//! | encode | texts as tokens, as lm-evaluation-harness encodes them |
//! | scorer | [`Scorer`], [`Score`], [`Scored`]: items to log-likelihoods |

mod encode;
pub(crate) mod scorer;

pub use self::scorer::{Score, Scored, Scorer};
