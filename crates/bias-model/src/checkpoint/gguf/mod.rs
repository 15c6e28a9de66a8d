//! GGUF: a model in one file. Its weights are quantized, and its metadata contain config and
//! tokenizer.
//!
//! The crate `anamnesis` reads the header and the blocks. This module interprets them: the metadata
//! become the `config.json` and the tokenizer of a Hugging Face folder, and tensors get their names
//! there. The rest of the code treats both alike.
//!
//! | file | what for |
//! |---|---|
//! | file | [`Gguf`](file::Gguf): the mapped file and its checked header |
//! | metadata | metadata by key, typed |
//! | settings | the architecture and its metadata |
//! | config, rope_scaling | the `config.json` made of the metadata |
//! | names | tensors under Hugging Face names, and the changes that llama.cpp made to them |
//! | tokenizer | [`Vocabulary`](tokenizer::Vocabulary): tokenizer, special tokens, chat template |
//! | tokens | [`Tokens`](tokens::Tokens): the vocabulary in the metadata, and its parts |
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

/// The types of weights that can be read, for messages.
pub(crate) const KINDS: &str =
    "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL or IQ4_XS";

/// Whether a model's path is a file. Folders contain safetensors.
pub(crate) fn is_file(path: &Path) -> Result<bool, ModelError> {
    on_disk::is_file(path)
}
