//! The price of pruning on neutral text, and guards that keep weights with a high price out of a
//! mask.
//!
//! Scores of single weights are first-order. Where a few channels of a model have very large
//! activations, they mislead: pruning a weight that reads such a channel changes far more than its
//! gradient says. So such weights come out on top, and pruning a thousand of them breaks the model.
//!
//! | file | what for |
//! |---|---|
//! | neutral_cost | [`NeutralCost`], [`MatrixCost`]: what pruning each weight costs on neutral text, matrix by matrix |
//! | cost | [`Cost`]: the kinds of price |
//! | rule | [`Guard`]: the rules of a guard |
//! | measured | [`MeasuredGuard`]: a guard with its costs in one model, applied to scores |

mod cost;
mod measured;
pub(crate) mod neutral_cost;
mod rule;

pub use self::cost::Cost;
pub use self::measured::MeasuredGuard;
pub use self::neutral_cost::{MatrixCost, NeutralCost};
pub use self::rule::Guard;
