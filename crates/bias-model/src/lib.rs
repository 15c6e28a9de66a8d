//! Hugging Face language models on any burn backend, exact to transformers, and
//! the distribution of their answers.
//!
//! Use it to load a checkpoint folder (Llama, Mistral, Qwen, Gemma, Phi, GPT-2,
//! GPT-NeoX, OLMo: see [`Architecture`](arch::Architecture)) or a GGUF file, look inside it with
//! [`bias_probe`] observers, prune it with [`bias_mask`] masks, and ask it
//! questions: greedily, by sampling, or for the exact distribution of its short
//! answers. Not for serving chat traffic.
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
//! The names at the root are those that most programs need; the rest is in rooms, each with a page.
//!
//! | room | what for |
//! |---|---|
//! | [`hub`] | a folder, a GGUF file, or a model's name on the Hugging Face hub |
//! | [`checkpoint`] | what is on disk: [`ModelConfig`], [`Checkpoint`], [`Precision`]; wherever a folder is taken, a GGUF file goes too |
//! | [`arch`] | which models are loaded, a file each |
//! | [`decoder`] | [`Decoder`]: a [`HookedModel`] and a [`MaskTarget`] with one layout for all, its cache |
//! | [`chat`] | the crate bias-chat: conversations as transformers renders them |
//! | [`text`] | [`TextCodec`]: tokenizer, chat template, token roles |
//! | [`question`] | [`Question`]: in free words, by a number, by a choice ([`bias_ask`]'s) |
//! | [`generate`] | [`Decoding`], [`Answers`]: greedy, sampled, exact within a budget, as trees ([`bias_ask`]'s) |
//! | [`interop`] | folders transformers can load, and how far a loaded model is from it |
//! | [`error`] | [`ModelError`], and the report of what did not fit |
//!
//! [`LanguageModel`] is all of it from one folder, with [`LoadOptions`]; or any model that answers,
//! with any tokenizer.
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

pub mod arch;
pub mod checkpoint;
pub mod decoder;
pub mod error;
pub mod hub;
pub mod interop;
mod json;
mod language_model;
mod on_disk;
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
