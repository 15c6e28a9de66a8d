//! Hugging Face language models on any burn backend, exact to transformers, and
//! the distribution of their answers.
//!
//! Use it to load a Llama checkpoint folder, look inside it with
//! [`bias_probe`] observers, prune it with [`bias_mask`] masks, and ask it
//! questions: greedily, by sampling, or for the exact distribution of its short
//! answers. Not for serving chat traffic, nor (yet) for other architectures.
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
//! | config | [`LlamaConfig`]: `config.json`, checked |
//! | checkpoint | [`Checkpoint`], [`LoadReport`]: mapped safetensors, single or sharded |
//! | llama | [`Llama`], [`NamedTensor`]: the decoder, a [`HookedModel`] and a [`MaskTarget`] |
//! | cache | [`KvCache`]: keys and values of what was already run |
//! | text | [`TextCodec`]: tokenizer, chat template, token roles |
//! | sampling | [`Sampling`]: temperature, top-k, top-p |
//! | decode | [`Decoding`], [`Answers`]: greedy, sampled, exact |
//! | language | [`LanguageModel`]: all of the above from one folder |
//! | export | [`export_masked`], [`save_pretrained`]: folders transformers can load |

mod cache;
mod checkpoint;
mod config;
mod decode;
mod error;
mod export;
mod init;
mod language;
mod llama;
mod mapped;
mod named;
mod regroup;
mod rope;
mod sampling;
mod text;

pub use bias_mask::MaskTarget;
pub use bias_probe::HookedModel;
pub use cache::KvCache;
pub use checkpoint::{Checkpoint, LoadReport};
pub use config::LlamaConfig;
pub use decode::{Answer, Answers, DecodeOptions, Decoding, decode};
pub use error::ModelError;
pub use export::{export_masked, save_pretrained};
pub use language::LanguageModel;
pub use llama::Llama;
pub use named::NamedTensor;
pub use sampling::Sampling;
pub use text::TextCodec;
