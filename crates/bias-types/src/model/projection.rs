use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::site::{BlockSite, Site};
use crate::error::TypesError;

/// The half of a decoder block that a projection belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sublayer {
    /// `self_attn`
    Attention,
    /// `mlp`
    Mlp,
}

impl fmt::Display for Sublayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Attention => "self_attn",
            Self::Mlp => "mlp",
        })
    }
}

/// One of the seven linear maps of a gated decoder block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Projection {
    /// Query, `self_attn.q_proj`
    Q,
    /// Key, `self_attn.k_proj`
    K,
    /// Value, `self_attn.v_proj`
    V,
    /// Attention output, `self_attn.o_proj`
    O,
    /// MLP gate, `mlp.gate_proj`
    Gate,
    /// MLP up, `mlp.up_proj`
    Up,
    /// MLP down, `mlp.down_proj`
    Down,
}

impl Projection {
    /// All seven, in forward order.
    pub const ALL: [Self; 7] =
        [Self::Q, Self::K, Self::V, Self::O, Self::Gate, Self::Up, Self::Down];

    /// Attention or MLP.
    #[must_use]
    pub fn sublayer(self) -> Sublayer {
        match self {
            Self::Q | Self::K | Self::V | Self::O => Sublayer::Attention,
            Self::Gate | Self::Up | Self::Down => Sublayer::Mlp,
        }
    }

    /// The Hugging Face module name within the sublayer, such as `q_proj`.
    #[must_use]
    pub fn module(self) -> &'static str {
        match self {
            Self::Q => "q_proj",
            Self::K => "k_proj",
            Self::V => "v_proj",
            Self::O => "o_proj",
            Self::Gate => "gate_proj",
            Self::Up => "up_proj",
            Self::Down => "down_proj",
        }
    }

    /// The Hugging Face module name within a block, such as `self_attn.q_proj`.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Q => "self_attn.q_proj",
            Self::K => "self_attn.k_proj",
            Self::V => "self_attn.v_proj",
            Self::O => "self_attn.o_proj",
            Self::Gate => "mlp.gate_proj",
            Self::Up => "mlp.up_proj",
            Self::Down => "mlp.down_proj",
        }
    }

    /// The site of this projection's input. `q`, `k` and `v` share one input, and so do `gate` and
    /// `up`.
    #[must_use]
    pub fn input_site(self, layer: usize) -> Site {
        let at = match self {
            Self::Q | Self::K | Self::V => BlockSite::AttnNorm,
            Self::O => BlockSite::HeadOutput,
            Self::Gate | Self::Up => BlockSite::MlpNorm,
            Self::Down => BlockSite::MlpHidden,
        };
        Site::Block(layer, at)
    }

    /// The site of its output. Every projection has its own.
    #[must_use]
    pub fn output_site(self, layer: usize) -> Site {
        let at = match self {
            Self::Q => BlockSite::Query,
            Self::K => BlockSite::Key,
            Self::V => BlockSite::Value,
            Self::O => BlockSite::AttnOut,
            Self::Gate => BlockSite::Gate,
            Self::Up => BlockSite::Up,
            Self::Down => BlockSite::MlpOut,
        };
        Site::Block(layer, at)
    }
}

impl fmt::Display for Projection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path())
    }
}

impl FromStr for Projection {
    type Err = TypesError;

    fn from_str(text: &str) -> Result<Self, TypesError> {
        Self::ALL.into_iter().find(|p| p.path() == text || p.module() == text).ok_or_else(|| {
            TypesError::Parse {
                kind: "projection",
                text: text.into(),
                expected: "a name such as `mlp.down_proj`",
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sublayer_and_module() {
        for projection in Projection::ALL {
            let whole = format!("{}.{}", projection.sublayer(), projection.module());
            assert_eq!(
                (projection.path(), projection.to_string()),
                (whole.as_str(), whole.clone())
            );
            assert_eq!(whole.parse::<Projection>().unwrap(), projection);
            assert_eq!(projection.module().parse::<Projection>().unwrap(), projection);
        }
        assert!("mlp.q_proj".parse::<Projection>().is_err());
    }
}
