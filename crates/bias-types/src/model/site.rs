use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::number::canonical;
use crate::error::TypesError;

/// A place in the forward pass where an activation can be observed or replaced.
///
/// A site is written as the Hugging Face module it belongs to, followed by the tensor's name:
/// `model.layers.3.mlp.down_proj.input`. The names are those of Llama, whatever a model calls its
/// own modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Site {
    /// Token embeddings, `[batch, seq, d_model]` (`hook_embed`).
    Embedding,
    /// Learned position embeddings, in models that have them, `[batch, seq, d_model]`
    /// (`hook_pos_embed`).
    Positions,
    /// A place inside decoder block `.0`.
    Block(usize, BlockSite),
    /// The divisor of the final norm, `[batch, seq, 1]` (`ln_final.hook_scale`).
    FinalNormScale,
    /// The final norm before its gain, `[batch, seq, d_model]` (`ln_final.hook_normalized`).
    FinalNormalized,
    /// Output of the final norm: the input of the head, `[batch, seq, d_model]`.
    FinalNorm,
    /// Unnormalised next-token scores, `[batch, seq, vocab]`.
    Logits,
}

/// Defines the sites of a block in one place: variant, name and documentation.
macro_rules! block_sites {
    ($($(#[doc = $doc:literal])+ $variant:ident => $name:literal,)+) => {
        /// A place inside one decoder block, in the order of the forward pass.
        ///
        /// Some architectures lack some of these sites. GPT-2 and GPT-NeoX have no gate. A model
        /// whose attention and MLP run in parallel has no `middle`. OLMo 2 has no norm before
        /// attention and MLP. A model with learned positions rotates nothing, and some layers of
        /// SmolLM3 do not either. Only mixtures of experts have a router.
        ///
        /// | site | written as | shape | TransformerLens |
        /// |---|---|---|---|
        /// | `ResidPre` | `input` | `[batch, seq, d_model]` | `hook_resid_pre` |
        /// | `AttnNormScale` | `attn_norm.scale` | `[batch, seq, 1]` | `ln1.hook_scale` |
        /// | `AttnNormalized` | `attn_norm.normalized` | `[batch, seq, d_model]` | `ln1.hook_normalized` |
        /// | `AttnNorm` | `self_attn.q_proj.input` | `[batch, seq, d_model]` | – (`ln1` after its gain) |
        /// | `Query` | `self_attn.q_proj.output` | `[batch, seq, heads·d_head]` | `attn.hook_q` |
        /// | `Key` | `self_attn.k_proj.output` | `[batch, seq, kv_heads·d_head]` | `attn.hook_k` |
        /// | `Value` | `self_attn.v_proj.output` | `[batch, seq, kv_heads·d_head]` | `attn.hook_v` |
        /// | `QueryRotated` | `self_attn.rotated_query` | `[batch, seq, heads·d_head]` | `attn.hook_rot_q` |
        /// | `KeyRotated` | `self_attn.rotated_key` | `[batch, seq, kv_heads·d_head]` | `attn.hook_rot_k` |
        /// | `Scores` | `self_attn.scores` | `[batch, heads, query, key]` | `attn.hook_attn_scores` |
        /// | `Pattern` | `self_attn.pattern` | `[batch, heads, query, key]` | `attn.hook_pattern` |
        /// | `HeadOutput` | `self_attn.o_proj.input` | `[batch, seq, heads·d_head]` | `attn.hook_z` |
        /// | `AttnOut` | `self_attn.o_proj.output` | `[batch, seq, d_model]` | `hook_attn_out` without a norm after |
        /// | `AttnAdded` | `self_attn.added` | `[batch, seq, d_model]` | `hook_attn_out` |
        /// | `ResidMid` | `middle` | `[batch, seq, d_model]` | `hook_resid_mid` |
        /// | `MlpNormScale` | `mlp_norm.scale` | `[batch, seq, 1]` | `ln2.hook_scale` |
        /// | `MlpNormalized` | `mlp_norm.normalized` | `[batch, seq, d_model]` | `ln2.hook_normalized` |
        /// | `MlpNorm` | `mlp.up_proj.input` | `[batch, seq, d_model]` | – (`ln2` after its gain) |
        /// | `RouterLogits` | `mlp.router.output` | `[batch, seq, experts]` | – |
        /// | `RouterWeights` | `mlp.router.weights` | `[batch, seq, experts]` | – |
        /// | `ExpertInputs` | `mlp.experts.input` | `[batch, seq, experts·d_model]` | – |
        /// | `Gate` | `mlp.gate_proj.output` | `[batch, seq, d_mlp]` | `mlp.hook_pre` |
        /// | `GateActivated` | `mlp.act_fn.output` | `[batch, seq, d_mlp]` | – |
        /// | `Up` | `mlp.up_proj.output` | `[batch, seq, d_mlp]` | `mlp.hook_pre_linear`; without a gate `mlp.hook_pre` |
        /// | `MlpHidden` | `mlp.down_proj.input` | `[batch, seq, d_mlp]` | `mlp.hook_post` |
        /// | `MlpOut` | `mlp.down_proj.output` | `[batch, seq, d_model]` | `hook_mlp_out` without a norm after |
        /// | `MlpAdded` | `mlp.added` | `[batch, seq, d_model]` | `hook_mlp_out` |
        /// | `ResidPost` | `output` | `[batch, seq, d_model]` | `hook_resid_post` |
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum BlockSite {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl BlockSite {
            /// Every place in a block, in forward order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name within the block.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

block_sites! {
    /// Residual stream entering the block.
    ResidPre => "input",
    /// The divisor of the norm before attention: `sqrt(mean(x²) + eps)`.
    AttnNormScale => "attn_norm.scale",
    /// The norm before attention, before its gain.
    AttnNormalized => "attn_norm.normalized",
    /// Input of `q_proj`, `k_proj` and `v_proj`.
    AttnNorm => "self_attn.q_proj.input",
    /// Queries before norm and rotation.
    Query => "self_attn.q_proj.output",
    /// Keys before norm and rotation.
    Key => "self_attn.k_proj.output",
    /// Values.
    Value => "self_attn.v_proj.output",
    /// Queries as they meet the keys, not yet scaled.
    QueryRotated => "self_attn.rotated_query",
    /// Keys as they meet the queries.
    KeyRotated => "self_attn.rotated_key",
    /// Attention scores before the softmax, scaled and capped; −∞ where a token must not look.
    Scores => "self_attn.scores",
    /// Attention weights after the softmax.
    Pattern => "self_attn.pattern",
    /// Concatenated head outputs: the input of `o_proj`.
    HeadOutput => "self_attn.o_proj.input",
    /// Output of `o_proj`.
    AttnOut => "self_attn.o_proj.output",
    /// The term that attention adds to the residual stream: the output of `o_proj`, after a norm
    /// where there is one.
    AttnAdded => "self_attn.added",
    /// Residual stream between attention and MLP.
    ResidMid => "middle",
    /// The divisor of the norm before the MLP.
    MlpNormScale => "mlp_norm.scale",
    /// The norm before the MLP, before its gain.
    MlpNormalized => "mlp_norm.normalized",
    /// Input of `gate_proj` and `up_proj`.
    MlpNorm => "mlp.up_proj.input",
    /// The router's score of each expert of a mixture. Where an expert is shared by all tokens, its
    /// score is the last.
    RouterLogits => "mlp.router.output",
    /// The factor of each expert's hidden channels: 0 for experts that were not chosen.
    RouterWeights => "mlp.router.weights",
    /// What each expert reads: the input of `up_proj`, and 0 where the expert was not chosen. Models
    /// offer it in parts, to statistics, and never as a whole.
    ExpertInputs => "mlp.experts.input",
    /// Gate before its activation. In a mixture, 0 where the expert was not chosen, as in the next
    /// sites.
    Gate => "mlp.gate_proj.output",
    /// Gate after its activation.
    GateActivated => "mlp.act_fn.output",
    /// Up projection.
    Up => "mlp.up_proj.output",
    /// `act(gate) · up`, or `act(up)` without a gate: the input of `down_proj`, one value per MLP
    /// neuron. In a mixture of experts, times the router's weight.
    MlpHidden => "mlp.down_proj.input",
    /// Output of `down_proj`.
    MlpOut => "mlp.down_proj.output",
    /// The term that the MLP adds to the residual stream: the output of `down_proj`, after a norm
    /// where there is one.
    MlpAdded => "mlp.added",
    /// Residual stream leaving the block.
    ResidPost => "output",
}

impl Site {
    /// Every site of a model with this many layers, in forward order.
    pub fn all(layers: usize) -> impl Iterator<Item = Self> {
        let blocks =
            (0..layers).flat_map(|l| BlockSite::ALL.iter().map(move |s| Self::Block(l, *s)));
        let last = [Self::FinalNormScale, Self::FinalNormalized, Self::FinalNorm, Self::Logits];
        [Self::Embedding, Self::Positions].into_iter().chain(blocks).chain(last)
    }

    /// Whether its tensor has the shape `[batch, heads, query, key]` and not `[batch, seq,
    /// channels]`.
    #[must_use]
    pub fn is_attention(self) -> bool {
        matches!(self, Self::Block(_, BlockSite::Scores | BlockSite::Pattern))
    }

    /// The name of a site outside the blocks.
    fn outside(self) -> Option<&'static str> {
        Some(match self {
            Self::Embedding => "model.embed_tokens.output",
            Self::Positions => "model.embed_positions.output",
            Self::Block(..) => return None,
            Self::FinalNormScale => "model.norm.scale",
            Self::FinalNormalized => "model.norm.normalized",
            Self::FinalNorm => "model.norm.output",
            Self::Logits => "lm_head.output",
        })
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block(layer, at) => write!(f, "model.layers.{layer}.{}", at.name()),
            other => f.write_str(other.outside().unwrap_or_default()),
        }
    }
}

impl FromStr for Site {
    type Err = TypesError;

    /// Reads the text that `Display` writes. It also accepts the input names of projections that
    /// share one input (`k_proj.input`, `v_proj.input`, `gate_proj.input`, `lm_head.input`).
    fn from_str(text: &str) -> Result<Self, TypesError> {
        let unknown = || TypesError::Parse {
            kind: "site",
            text: text.into(),
            expected: "a module and tensor such as `model.layers.0.mlp.down_proj.input`",
        };
        let text = if text == "lm_head.input" { "model.norm.output" } else { text };
        if let Some(site) = Self::all(0).find(|site| site.outside() == Some(text)) {
            return Ok(site);
        }
        let (layer, name) = text
            .strip_prefix("model.layers.")
            .and_then(|rest| rest.split_once('.'))
            .ok_or_else(unknown)?;
        let name = match name {
            "self_attn.k_proj.input" | "self_attn.v_proj.input" => "self_attn.q_proj.input",
            "mlp.gate_proj.input" => "mlp.up_proj.input",
            own => own,
        };
        let at = *BlockSite::ALL.iter().find(|s| s.name() == name).ok_or_else(unknown)?;
        Ok(Self::Block(canonical(layer).ok_or_else(unknown)?, at))
    }
}

impl TryFrom<String> for Site {
    type Error = TypesError;

    fn try_from(text: String) -> Result<Self, TypesError> {
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
        assert_eq!("lm_head.input".parse(), Ok(Site::FinalNorm));
        assert!("model.layers.1.self_attn.z_proj.input".parse::<Site>().is_err());
        for layer in ["x", "03", "+3", "00", ""] {
            let name = format!("model.layers.{layer}.input");
            assert!(name.parse::<Site>().is_err(), "{name}");
        }
    }
}
