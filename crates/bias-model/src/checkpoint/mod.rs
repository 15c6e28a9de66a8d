//! The files of a model: a folder's `config.json` and safetensors, or a GGUF file. Weights are
//! mapped and read tensor by tensor. Nothing is computed with them here.
//!
//! | file | what for |
//! |---|---|
//! | config | [`ModelConfig`]: the checked `config.json`; unsupported settings are refused |
//! | weights | [`Checkpoint`]: mapped safetensors, single or sharded, or a mapped GGUF file |
//! | tensors | tensors taken out by name, what is missing or does not fit, masks in the files' layout |
//! | located | the place of a tensor that is read later |
//! | precision | [`Precision`]: how weights are held, or left in their file |
//! | generation | [`GenerationSettings`]: `generation_config.json`, or its keys in `config.json` |
//! | generation_keys | its keys: which are applied, and what switches the others off |
//! | sampling_options | [`SamplingOptions`]: sampling that is asked for instead |
//! | other_forms | models in forms that are not read, and how to convert them |
//! | mapped | a file in memory, and whether it is still what it was: the one place with `unsafe` |
//! | view | a tensor as it lies in a file |
//! | tying | which stored tensor is the embedding, and which scores tokens |
//! | convert | tensors on their way to where they stay |
//! | rows | values that are computed while they are read |
//! | blocks | quantized values to f32 |
//! | plain | floats that an adapter changes |
//! | packed | matrices in several quantized tensors, to f32 |
//! | quantized | which tensors of quantized safetensors are one matrix |
//! | low_rank | a matrix that is read with an adapter's change |
//! | file_bytes | bytes of a file |
//! | base | the model that an adapter belongs to |
//! | adapter | LoRA: the matrices that an adapter changes |
//! | unreadable | why the values of a tensor cannot be used |
//! | gguf | a GGUF file's metadata as config, tokenizer and chat template, and its tensors by their names |

pub(crate) mod adapter;
pub(crate) mod base;
mod blocks;
pub(crate) mod config;
pub(crate) mod convert;
mod file_bytes;
pub(crate) mod generation;
mod generation_keys;
pub(crate) mod gguf;
pub(crate) mod located;
mod low_rank;
pub(crate) mod mapped;
pub(crate) mod other_forms;
mod packed;
mod plain;
pub(crate) mod precision;
mod quantized;
pub(crate) mod rows;
pub(crate) mod sampling_options;
pub(crate) mod tensors;
pub(crate) mod tying;
mod unreadable;
pub(crate) mod view;
pub(crate) mod weights;

pub use self::config::ModelConfig;
pub use self::generation::GenerationSettings;
pub use self::precision::Precision;
pub use self::sampling_options::SamplingOptions;
pub use self::weights::Checkpoint;
