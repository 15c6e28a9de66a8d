use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::CoreError;

/// A place in the forward pass where an activation can be seen or replaced.
///
/// Written as the Hugging Face module it belongs to, followed by which of its
/// tensors is meant: `model.layers.3.mlp.down_proj.input`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Site {
    /// Token embeddings, `[batch, seq, d_model]`.
    Embedding,
    /// A place inside decoder block `.0`.
    Block(usize, BlockSite),
    /// Output of the final norm, `[batch, seq, d_model]`.
    FinalNorm,
    /// Unnormalised next-token scores, `[batch, seq, vocab]`.
    Logits,
}

/// A place inside one decoder block, in the order in which they are reached.
///
/// | site | written as | shape | TransformerLens |
/// |---|---|---|---|
/// | `ResidPre` | `input` | `[batch, seq, d_model]` | `hook_resid_pre` |
/// | `AttnNorm` | `self_attn.q_proj.input` | `[batch, seq, d_model]` | `ln1.hook_normalized` (after its gain) |
/// | `Query` | `self_attn.q_proj.output` | `[batch, seq, heads·d_head]` | `attn.hook_q` |
/// | `Key` | `self_attn.k_proj.output` | `[batch, seq, kv_heads·d_head]` | `attn.hook_k` |
/// | `Value` | `self_attn.v_proj.output` | `[batch, seq, kv_heads·d_head]` | `attn.hook_v` |
/// | `Pattern` | `self_attn.pattern` | `[batch, heads, query, key]` | `attn.hook_pattern` |
/// | `HeadOutput` | `self_attn.o_proj.input` | `[batch, seq, heads·d_head]` | `attn.hook_z` |
/// | `AttnOut` | `self_attn.o_proj.output` | `[batch, seq, d_model]` | `hook_attn_out` |
/// | `ResidMid` | `middle` | `[batch, seq, d_model]` | `hook_resid_mid` |
/// | `MlpNorm` | `mlp.up_proj.input` | `[batch, seq, d_model]` | `ln2.hook_normalized` (after its gain) |
/// | `Gate` | `mlp.gate_proj.output` | `[batch, seq, d_mlp]` | `mlp.hook_pre` |
/// | `Up` | `mlp.up_proj.output` | `[batch, seq, d_mlp]` | `mlp.hook_pre_linear` |
/// | `MlpHidden` | `mlp.down_proj.input` | `[batch, seq, d_mlp]` | `mlp.hook_post` |
/// | `MlpOut` | `mlp.down_proj.output` | `[batch, seq, d_model]` | `hook_mlp_out` |
/// | `ResidPost` | `output` | `[batch, seq, d_model]` | `hook_resid_post` |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BlockSite {
    /// Residual stream entering the block.
    ResidPre,
    /// Normalised input of `q_proj`, `k_proj` and `v_proj`.
    AttnNorm,
    /// Queries before rotary embedding.
    Query,
    /// Keys before rotary embedding.
    Key,
    /// Values.
    Value,
    /// Attention weights after the softmax.
    Pattern,
    /// Concatenated head outputs: the input of `o_proj`.
    HeadOutput,
    /// What attention adds to the residual stream.
    AttnOut,
    /// Residual stream between attention and MLP.
    ResidMid,
    /// Normalised input of `gate_proj` and `up_proj`.
    MlpNorm,
    /// Gate before its activation.
    Gate,
    /// Up projection.
    Up,
    /// `act(gate) · up`: the input of `down_proj`, one value per MLP neuron.
    MlpHidden,
    /// What the MLP adds to the residual stream.
    MlpOut,
    /// Residual stream leaving the block.
    ResidPost,
}

impl BlockSite {
    /// Every place in a block, in forward order.
    pub const ALL: [Self; 15] = [
        Self::ResidPre,
        Self::AttnNorm,
        Self::Query,
        Self::Key,
        Self::Value,
        Self::Pattern,
        Self::HeadOutput,
        Self::AttnOut,
        Self::ResidMid,
        Self::MlpNorm,
        Self::Gate,
        Self::Up,
        Self::MlpHidden,
        Self::MlpOut,
        Self::ResidPost,
    ];

    /// The name within the block.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ResidPre => "input",
            Self::AttnNorm => "self_attn.q_proj.input",
            Self::Query => "self_attn.q_proj.output",
            Self::Key => "self_attn.k_proj.output",
            Self::Value => "self_attn.v_proj.output",
            Self::Pattern => "self_attn.pattern",
            Self::HeadOutput => "self_attn.o_proj.input",
            Self::AttnOut => "self_attn.o_proj.output",
            Self::ResidMid => "middle",
            Self::MlpNorm => "mlp.up_proj.input",
            Self::Gate => "mlp.gate_proj.output",
            Self::Up => "mlp.up_proj.output",
            Self::MlpHidden => "mlp.down_proj.input",
            Self::MlpOut => "mlp.down_proj.output",
            Self::ResidPost => "output",
        }
    }
}

impl Site {
    /// Every site of a model with this many layers, in forward order.
    pub fn all(layers: usize) -> impl Iterator<Item = Self> {
        let blocks = (0..layers).flat_map(|l| BlockSite::ALL.into_iter().map(move |s| Self::Block(l, s)));
        std::iter::once(Self::Embedding).chain(blocks).chain([Self::FinalNorm, Self::Logits])
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedding => f.write_str("model.embed_tokens.output"),
            Self::Block(layer, at) => write!(f, "model.layers.{layer}.{}", at.name()),
            Self::FinalNorm => f.write_str("model.norm.output"),
            Self::Logits => f.write_str("lm_head.output"),
        }
    }
}

impl FromStr for Site {
    type Err = CoreError;

    /// Reads what `Display` writes; the inputs of projections that share one
    /// (`k_proj.input`, `v_proj.input`, `gate_proj.input`) are understood too.
    fn from_str(text: &str) -> Result<Self, CoreError> {
        let unknown = || CoreError::Parse {
            kind: "site",
            text: text.into(),
            expected: "a module and tensor such as `model.layers.0.mlp.down_proj.input`",
        };
        match text {
            "model.embed_tokens.output" => return Ok(Self::Embedding),
            "model.norm.output" => return Ok(Self::FinalNorm),
            "lm_head.output" => return Ok(Self::Logits),
            _ => {}
        }
        let (layer, name) =
            text.strip_prefix("model.layers.").and_then(|rest| rest.split_once('.')).ok_or_else(unknown)?;
        let name = match name {
            "self_attn.k_proj.input" | "self_attn.v_proj.input" => "self_attn.q_proj.input",
            "mlp.gate_proj.input" => "mlp.up_proj.input",
            own => own,
        };
        let at = BlockSite::ALL.into_iter().find(|s| s.name() == name).ok_or_else(unknown)?;
        Ok(Self::Block(layer.parse().map_err(|_| unknown())?, at))
    }
}

impl TryFrom<String> for Site {
    type Error = CoreError;

    fn try_from(text: String) -> Result<Self, CoreError> {
        text.parse()
    }
}

impl From<Site> for String {
    fn from(site: Site) -> Self {
        site.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_site_reads_back_as_itself() {
        for site in Site::all(12) {
            assert_eq!(site.to_string().parse::<Site>(), Ok(site));
        }
    }

    #[test]
    fn shared_inputs_are_one_site() {
        let q: Site = "model.layers.1.self_attn.q_proj.input".parse().unwrap();
        assert_eq!("model.layers.1.self_attn.v_proj.input".parse(), Ok(q));
        assert!("model.layers.1.self_attn.z_proj.input".parse::<Site>().is_err());
        assert!("model.layers.x.input".parse::<Site>().is_err());
    }
}
