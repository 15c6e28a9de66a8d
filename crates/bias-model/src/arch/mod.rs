//! Architectures as data, one file each. A file lists the keys of `config.json` with their
//! defaults, how the blocks compute, and the names of the tensors. Nothing is computed here: one
//! decoder follows these descriptions.
//!
//! | file | what for |
//! |---|---|
//! | architecture | [`Architecture`]: which there are, by their `model_type` |
//! | llama, mistral, ministral3, qwen2, qwen3, gemma, gemma2, gemma3, phi, phi3, gpt2, gpt_neox, olmo2, olmo3, smollm3, granite, cohere2, starcoder2, seed_oss, exaone4, arcee, opt, mixtral, qwen2_moe, qwen3_moe, olmoe, gpt_oss | an architecture each |
//! | wrapper, gemma3, mistral3 | multimodal folders, whose text model is computed |
//! | gated | what those descended from Llama have in common |
//! | mixture | what mixtures of experts have in common |
//! | keys | `config.json`, read key by key; what nobody read is refused |
//! | known_keys | keys that no architecture reads: which are harmless, which change something |
//! | dims | sizes, refused if a forward pass could not be made of them |
//! | plan | how the blocks compute |
//! | layout | the names of tensors, and how linear maps are packed |
//! | expert_layout | the same for the MLP of a mixture of experts |
//! | piece | the place of a linear map, or of a part of it, in a tensor |
//! | rope_scaling | rotary embeddings, and how they are extended to longer texts |
//! | activation | the nonlinearity of an MLP |

pub(crate) mod activation;
mod arcee;
pub(crate) mod architecture;
mod cohere2;
mod dims;
mod exaone4;
pub(crate) mod expert_layout;
mod gated;
mod gemma;
mod gemma2;
mod gemma3;
mod gpt2;
mod gpt_neox;
mod gpt_oss;
mod granite;
pub(crate) mod keys;
pub(crate) mod known_keys;
pub(crate) mod layout;
mod llama;
mod ministral3;
mod mistral;
mod mistral3;
mod mixtral;
mod mixture;
mod olmo2;
mod olmo3;
mod olmoe;
mod opt;
mod phi;
mod phi3;
pub(crate) mod piece;
pub(crate) mod plan;
mod qwen2;
mod qwen2_moe;
mod qwen3;
mod qwen3_moe;
pub(crate) mod rope_scaling;
mod seed_oss;
mod smollm3;
mod starcoder2;
pub(crate) mod wrapper;

pub use self::architecture::Architecture;
