//! GGUF: a model in one file, its weights quantized, its config and its tokenizer among the
//! metadata.
//!
//! The header and the blocks are read by the `anamnesis` crate. Here it is said what they mean: the
//! metadata become the `config.json` and the tokenizer that a Hugging Face folder would have, and
//! tensors go by the names they have there, so that all else is as for a folder.
//!
//! | file | what for |
//! |---|---|
//! | file | [`Gguf`](file::Gguf): the file, mapped, and its header, checked |
//! | metadata | metadata by key, typed |
//! | settings | which architecture, and its own metadata |
//! | config, rope_scaling | the `config.json` that the metadata amount to |
//! | names | tensors under Hugging Face names, and what llama.cpp did to them |
//! | tokenizer | [`Vocabulary`](tokenizer::Vocabulary): which tokenizer, special tokens, chat template |
//! | tokens | [`Tokens`](tokens::Tokens): the vocabulary as it is in the metadata, and its parts |
//! | byte_level, sentencepiece | the two kinds of tokenizer |

mod byte_level;
mod config;
pub(crate) mod file;
mod metadata;
mod names;
mod rope_scaling;
mod sentencepiece;
mod settings;
pub(crate) mod tokenizer;
mod tokens;

use std::path::Path;

use crate::error::ModelError;
use crate::on_disk;

/// Types of weights that are read, for messages.
pub(crate) const KINDS: &str =
    "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL or IQ4_XS";

/// Whether a model's path is that of a file: folders hold safetensors.
pub(crate) fn is_file(path: &Path) -> Result<bool, ModelError> {
    on_disk::is_file(path)
}
