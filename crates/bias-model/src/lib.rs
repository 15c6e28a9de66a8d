//! Hugging Face language models on any burn backend, exact to transformers, and
//! the distribution of their answers.
//!
//! Use it to load a checkpoint folder (Llama, Mistral, Qwen, Gemma, Phi, GPT-2,
//! GPT-NeoX, OLMo: see [`Architecture`]) or a GGUF file, look inside it with
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
//! | module | what for |
//! |---|---|
//! | source | [`ModelSource`], [`HubId`]: a folder, a GGUF file, or a model's name on the Hugging Face hub |
//! | gguf | wherever a folder is taken, a GGUF file goes too: its metadata as config, tokenizer and chat template |
//! | hub | `Hub` (feature `hub`): the hub's cache folder, and downloads into it |
//! | arch | [`Architecture`]: which models are loaded, a file each |
//! | config | [`ModelConfig`]: `config.json`, checked; what is not computed is refused |
//! | checkpoint | [`Checkpoint`], [`LoadReport`]: mapped safetensors, single or sharded, or a mapped GGUF file |
//! | decoder | [`Decoder`], [`NamedTensor`]: a [`HookedModel`] and a [`MaskTarget`] with one layout for all |
//! | precision | [`Precision`]: how weights are held, or left in their file |
//! | streamed, progress | layer by layer through a model that is left in its file; [`LayerDone`] |
//! | cache | [`KvCache`]: keys and values of what was already run |
//! | chat | [`ChatTemplate`], [`Message`], [`SpecialTokens`]: conversations as transformers renders them |
//! | text, spans | [`TextCodec`]: tokenizer, chat template, token roles |
//! | question | [`Question`], [`QuestionKind`]: in free words, by a number, by a choice |
//! | decode | [`Decoding`], [`Sampling`], [`Answers`]: greedy, sampled, exact within a budget, as trees |
//! | prefix | what prompts begin with alike, run once |
//! | side_by_side | gradients of several batches at a time |
//! | language | [`LanguageModel`], [`LoadOptions`]: all of the above from one folder |
//! | view, widen | tensors as they lie in a file, and on their way to where they stay |
//! | reference | [`Reference`], [`Parity`]: how far a loaded model is from transformers |
//! | export | [`export_masked`], [`save_pretrained`]: folders transformers can load |
//!
//! # Features
//!
//! - `hub`, off by default: [`ModelSource`] finds `org/name` in the cache of the Hugging Face hub and
//!   downloads what is not there, with the hf-hub crate. Without it hub ids are refused, and folders
//!   work as ever.

mod activation;
mod arch;
mod block;
mod cache;
mod chat;
mod checkpoint;
mod config;
mod cuts;
mod decode;
mod decoder;
mod error;
mod export;
#[cfg(feature = "hub")]
mod fetch;
mod forward;
mod frequencies;
mod gguf;
#[cfg(feature = "hub")]
mod hub;
mod init;
mod keys;
mod language;
mod layout;
mod load;
mod mapped;
mod matrix;
mod memory;
mod named;
mod precision;
mod prefix;
mod progress;
pub mod question;
mod reference;
mod regroup;
mod rope;
mod save;
mod side_by_side;
mod source;
mod spans;
mod streamed;
mod text;
mod view;
mod widen;

pub use arch::Architecture;
pub use bias_mask::MaskTarget;
pub use bias_probe::HookedModel;
pub use cache::KvCache;
pub use chat::{ChatTemplate, Message, SpecialTokens};
pub use checkpoint::{Checkpoint, LoadReport};
pub use config::ModelConfig;
pub use decode::{Answer, Answers, BUDGET, DecodeOptions, Decoding, Sampling, ask, decode};
pub use decoder::Decoder;
pub use error::ModelError;
pub use export::{export_masked, save_pretrained};
#[cfg(feature = "hub")]
pub use hub::Hub;
pub use language::{LanguageModel, LoadOptions};
pub use named::NamedTensor;
pub use precision::Precision;
pub use progress::LayerDone;
pub use question::{Choices, NumberGrammar, Question, QuestionKind, Word};
pub use reference::{Parity, Reference};
pub use source::{HubId, ModelSource};
pub use text::{Asked, TextCodec};
pub use time::Date;
