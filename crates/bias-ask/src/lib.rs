//! Asks a language model, and returns the distribution of its answers.
//!
//! Use it to ask any [`HookedModel`] free questions, for numbers and for choices: greedily, by
//! sampling, or for the exact distribution of its short answers. One empty `impl` makes a model
//! [`Answering`]; a model that keeps keys and values implements [`Cached`](generate::Cached) to be
//! faster. A tokenizer of your own needs three methods ([`Tokenize`]). It is not for serving chat
//! traffic.
//!
//! ```
//! use bias_ask::{Answering, AskError, Decoding, Sampling};
//! use bias_ask::generate::{DecodeOptions, decode};
//! use bias_probe::{HookedModel, Sequence};
//! use burn::tensor::backend::Backend;
//!
//! // Of a model of your own: `impl<B: Backend> Answering<B> for Own<B> {}`.
//! fn most_probable<B: Backend>(
//!     model: &impl Answering<B>, prompt: Sequence, stop: Vec<u32>,
//! ) -> Result<Vec<u32>, AskError> {
//!     let options = DecodeOptions {
//!         sampling: Sampling::default(), stop, max_new_tokens: 8, batch_rows: 8, threads: 1,
//!     };
//!     let text = |tokens: &[u32]| Ok(format!("{tokens:?}"));
//!     let answers = decode(model, &[prompt], Decoding::Greedy, &options, text)?;
//!     Ok(answers[0].answers[0].tokens.clone())
//! }
//! ```
//!
//! Two traits describe who answers. [`Respond`] knows no tensors: questions in words go in and
//! answers come out, from a loaded model, a remote one, or a record. [`Answering`] is a model with
//! logits.
//!
//! | room | what for |
//! |---|---|
//! | [`question`] | [`Question`]: answered in free words, by a number or by a choice |
//! | [`generate`] | [`Answering`], [`Decoding`], [`Answers`]: greedy, sampled, exact within a budget, as trees |
//! | [`text`] | [`Tokenize`]: text to tokens with roles, and back |
//! | [`respond`] | [`Respond`]: anything that answers questions in words |
//! | [`likelihood`] | the log-probability of a text's tokens; of given continuations, see [`Answering::log_likelihoods`] |
//! | [`error`] | [`AskError`] |
//! | testing | `check_answering`: checks of any answering model, for implementors (feature `testing`) |

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

pub mod error;
pub mod generate;
pub mod likelihood;
pub mod question;
pub mod respond;
#[cfg(feature = "testing")]
pub mod testing;
pub mod text;

pub use bias_probe::HookedModel;
pub use error::AskError;
pub use generate::{Answering, Answers, Decoding, Sampling};
pub use question::Question;
pub use respond::Respond;
pub use text::Tokenize;
