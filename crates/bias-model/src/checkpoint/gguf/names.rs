use super::file::Gguf;
use crate::arch::architecture::Architecture;
use crate::checkpoint::view::{Twist, View};
use crate::error::ModelError;

/// Tensors whose contents are in the config.
const IN_CONFIG: [(Architecture, &str); 3] = [
    (Architecture::Llama, "rope_freqs.weight"),
    (Architecture::Phi3, "rope_factors_short.weight"),
    (Architecture::Phi3, "rope_factors_long.weight"),
];

impl Gguf {
    /// Every tensor under its name in a Hugging Face checkpoint. A tensor without such a name keeps
    /// its own, and the load report lists it.
    pub(crate) fn tensors(&self) -> Result<Vec<(String, View<'_>)>, ModelError> {
        let (architecture, d_head) = (self.architecture()?, self.head_rows()?);
        let named = |name: &str| {
            let (known, twist) = known(architecture, d_head, name).unzip();
            let view = self.view(name, twist.unwrap_or_default());
            let view = view
                .ok_or_else(|| self.damaged(format!("the tensor {name} lies beyond the file")))?;
            Ok((known.unwrap_or_else(|| name.to_owned()), view))
        };
        let told = |name: &&str| !IN_CONFIG.contains(&(architecture, *name));
        self.names().filter(told).map(named).collect()
    }
}

/// A tensor's name in a Hugging Face checkpoint, and the changes that llama.cpp's converter made to
/// the tensor.
fn known(architecture: Architecture, d_head: usize, name: &str) -> Option<(String, Twist)> {
    let gemma = matches!(architecture, Architecture::Gemma2 | Architecture::Gemma3);
    let norm = Twist { plus_one: gemma, ..Twist::default() };
    match name {
        "token_embd.weight" => return Some(("model.embed_tokens.weight".into(), Twist::default())),
        "output.weight" => return Some(("lm_head.weight".into(), Twist::default())),
        "output_norm.weight" => return Some(("model.norm.weight".into(), norm)),
        _ => {}
    }
    let (layer, rest) = name.strip_prefix("blk.")?.split_once('.')?;
    // As it would be written again, so that no two names mean one tensor.
    let layer = layer.parse::<usize>().ok().filter(|n| n.to_string() == layer)?;
    let (module, tensor) =
        rest.rsplit_once('.').filter(|(_, tensor)| ["weight", "bias"].contains(tensor))?;
    // Rotary embeddings of llama.cpp turn neighbours, those of transformers one half of a head with
    // the other.
    let heads = Twist {
        interleaved: (architecture == Architecture::Llama).then_some(d_head),
        ..Twist::default()
    };
    let phi3 = architecture == Architecture::Phi3;
    let (module, twist) = match module {
        "attn_q" if !phi3 => ("self_attn.q_proj", heads),
        "attn_k" if !phi3 => ("self_attn.k_proj", heads),
        "attn_v" if !phi3 => ("self_attn.v_proj", Twist::default()),
        "attn_qkv" if phi3 => ("self_attn.qkv_proj", Twist::default()),
        "attn_output" => ("self_attn.o_proj", Twist::default()),
        "ffn_gate" if !phi3 => ("mlp.gate_proj", Twist::default()),
        "ffn_up" if phi3 => ("mlp.gate_up_proj", Twist::default()),
        "ffn_up" => ("mlp.up_proj", Twist::default()),
        "ffn_down" => ("mlp.down_proj", Twist::default()),
        "attn_norm" => ("input_layernorm", norm),
        "ffn_norm" if gemma => ("pre_feedforward_layernorm", norm),
        "ffn_norm" => ("post_attention_layernorm", norm),
        "post_attention_norm" if gemma => ("post_attention_layernorm", norm),
        "post_ffw_norm" if gemma => ("post_feedforward_layernorm", norm),
        "attn_q_norm" => ("self_attn.q_norm", norm),
        "attn_k_norm" => ("self_attn.k_norm", norm),
        _ => return None,
    };
    Some((format!("model.layers.{layer}.{module}.{tensor}"), twist))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_transformers() {
        let of = |architecture, name| known(architecture, 4, name);
        let (name, twist) = of(Architecture::Llama, "blk.12.attn_k.bias").unwrap();
        assert_eq!((&*name, twist.interleaved), ("model.layers.12.self_attn.k_proj.bias", Some(4)));
        let (name, twist) = of(Architecture::Gemma3, "blk.0.ffn_norm.weight").unwrap();
        assert_eq!(
            (&*name, twist.plus_one),
            ("model.layers.0.pre_feedforward_layernorm.weight", true)
        );
        let (name, twist) = of(Architecture::Phi3, "blk.0.ffn_up.weight").unwrap();
        assert_eq!((&*name, twist), ("model.layers.0.mlp.gate_up_proj.weight", Twist::default()));
        for odd in [
            "blk.01.attn_k.weight",
            "blk.+1.attn_k.weight",
            "blk.1.attn_k",
            "blk.1.ffn_gate_exps.weight",
            "x",
        ] {
            assert!(of(Architecture::Llama, odd).is_none(), "{odd}");
        }
    }
}
