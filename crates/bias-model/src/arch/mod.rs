//! Architectures as data, one file each. A file lists the keys of `config.json` with their
//! defaults, how the blocks compute, and the names of the tensors. Nothing is computed here: one
//! decoder follows these descriptions.
//!
//! | file | what for |
//! |---|---|
//! | architecture | [`Architecture`]: which there are, by their `model_type` |
//! | llama, mistral, qwen2, qwen3, gemma2, gemma3, phi3, olmo2, gpt2, gpt_neox | an architecture each |
//! | gated | what those descended from Llama have in common |
//! | keys | `config.json`, read key by key; what nobody read is refused |
//! | known_keys | keys that no architecture reads: which are harmless, which change something |
//! | dims | sizes, refused if a forward pass could not be made of them |
//! | plan | how the blocks compute |
//! | layout | the names of tensors, and how linear maps are packed |
//! | rope_scaling | rotary embeddings, and how they are extended to longer texts |
//! | activation | the nonlinearity of an MLP |

pub(crate) mod activation;
pub(crate) mod architecture;
mod dims;
mod gated;
mod gemma2;
mod gemma3;
mod gpt2;
mod gpt_neox;
pub(crate) mod keys;
pub(crate) mod known_keys;
pub(crate) mod layout;
mod llama;
mod mistral;
mod olmo2;
mod phi3;
pub(crate) mod plan;
mod qwen2;
mod qwen3;
pub(crate) mod rope_scaling;

pub use self::architecture::Architecture;
