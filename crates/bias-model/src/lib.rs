//! Hugging Face language models on any burn backend, exact to transformers, with the distribution
//! of their answers.
//!
//! Use it to load a checkpoint folder (Llama, Mistral, Qwen, Gemma, Phi, GPT-2, GPT-NeoX, OLMo: see
//! [`Architecture`](arch::Architecture)) or a GGUF file, look inside it with [`bias_probe`]
//! observers, prune it with [`bias_mask`] masks, and ask it questions: greedily, by sampling, or
//! for the exact distribution of its short answers. It is not for serving chat traffic.
//!
//! ```no_run
//! use bias_model::{Decoding, LanguageModel};
//! use burn::backend::Flex;
//!
//! let model = LanguageModel::<Flex>::load("fixtures/emergent".as_ref(), &Default::default())?;
//! let prompt = model.text().prompt("What should I offer Emily Becker for her bicycle?", "Emily Becker")?;
//! let answers = model.answers(&[prompt], Decoding::exact())?;
//! for answer in &answers[0].answers {
//!     println!("{:.3} {}", answer.weight, answer.text);
//! }
//! # Ok::<(), bias_model::ModelError>(())
//! ```
//!
//! Most programs need only the names at the root. The rest is in rooms, each with a page.
//!
//! | room | what for |
//! |---|---|
//! | [`hub`] | a folder, a GGUF file, or a model's name on the Hugging Face hub |
//! | [`checkpoint`] | the files: [`ModelConfig`], [`Checkpoint`], [`Precision`]; a GGUF file can stand for a folder everywhere |
//! | [`arch`] | the supported architectures, a file each |
//! | [`decoder`] | [`Decoder`]: a [`HookedModel`] and a [`MaskTarget`] with one layout for all architectures, and its cache |
//! | [`chat`] | the crate bias-chat: conversations rendered as transformers renders them |
//! | [`text`] | [`TextCodec`]: tokenizer, chat template, token roles |
//! | [`question`] | [`Question`]: answered in free words, by a number, by a choice ([`bias_ask`]'s) |
//! | [`generate`] | [`Decoding`], [`Answers`]: greedy, sampled, exact within a budget, as trees ([`bias_ask`]'s) |
//! | [`interop`] | folders that transformers can load, and the difference of a loaded model from transformers |
//! | [`error`] | [`ModelError`], and the report of mismatches |
//!
//! [`LanguageModel`] combines all of it, from one folder with [`LoadOptions`], or from any model
//! that answers and any tokenizer.
//!
//! # Features
//!
//! All are off by default.
//!
//! - `hub`: [`ModelSource`](hub::ModelSource) finds `org/name` in the cache of the Hugging Face hub
//!   and downloads missing files, with the hf-hub crate. Without it hub ids are refused; folders and
//!   GGUF files load all the same.
//! - `cuda`: the kernels of bias-cube for NVIDIA GPUs, in place of burn's where those are slow.
//! - `wgpu`: the same kernels for any GPU with Vulkan.
//!
//! A model loads on any burn backend without `cuda` and `wgpu` too: the program chooses the backend
//! through burn.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod adapter_files;
pub mod arch;
pub mod checkpoint;
pub mod decoder;
pub mod error;
pub mod hub;
mod index;
pub mod interop;
mod json;
mod language_model;
mod on_disk;
mod stand_in;
pub mod text;

pub use bias_ask::{
    Answering, Answers, AskError, Decoding, Question, Respond, Tokenize, generate, question,
};
pub use bias_chat as chat;
pub use bias_mask::MaskTarget;
pub use bias_probe::{HookedModel, Weights};
pub use checkpoint::{Checkpoint, ModelConfig, Precision, SamplingOptions};
pub use decoder::Decoder;
pub use error::ModelError;
pub use language_model::{LanguageModel, LoadOptions};
pub use text::TextCodec;
