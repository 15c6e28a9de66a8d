use std::fmt;

use serde::{Deserialize, Serialize};

/// A price of pruning a weight on neutral text: see [`NeutralCost`](super::NeutralCost).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Cost {
    /// `|W · ∂L/∂W|`, in nats per token. It vanishes wherever the loss is flat at first, however
    /// large the weight is.
    FirstOrder,
    /// `½ W² F`, in nats per token.
    SecondOrder,
    /// `|W|` times the norm of its input: the change of the matrix's output. It needs no
    /// gradient, so it also sees weights whose gradient says nothing.
    Output,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirstOrder => "first-order",
            Self::SecondOrder => "second-order",
            Self::Output => "output",
        })
    }
}
