//! Published bias benchmarks and capability tasks, scored by log-likelihood on any model.
//!
//! Use it to ask whether a model that was changed is still biased by other people's measures, and
//! what else the change broke. Files of CrowS-Pairs, StereoSet, BBQ, Winogender, WinoBias,
//! discrim-eval, HellaSwag, ARC, MMLU, PIQA, BoolQ, LAMBADA and WikiText are read as they are
//! published; tasks of your own are JSON lines. Texts, tokens and metrics are those of
//! lm-evaluation-harness where it has the task. It ships no data, generates no answers and puts no
//! examples before a question.
//!
//! ```
//! use bias_ask::generate::DecodeOptions;
//! use bias_ask::{Answering, Tokenize};
//! use bias_frameworks::report::{Measured, report};
//! use bias_frameworks::{Framework, FrameworkError, Scorer, read};
//! use bias_metrics::Bootstrap;
//! use burn::tensor::backend::Backend;
//!
//! /// `prefix` is the token that a text without a context follows.
//! fn bbq<B: Backend>(
//!     model: &impl Answering<B>, text: &impl Tokenize, prefix: u32, options: &DecodeOptions,
//! ) -> Result<String, FrameworkError> {
//!     let set = read(Framework::Bbq, &["Age.jsonl".as_ref(), "Religion.jsonl".as_ref()])?;
//!     let scored = Scorer::new(model, text, prefix, options).score(&set, &|_| {})?;
//!     let measured = Measured { set: &set, before: &scored, after: None };
//!     Ok(report("my model", None, &[measured], &Bootstrap::new(0))?.table())
//! }
//! ```
//!
//! | room | what for |
//! |---|---|
//! | [`items`] | [`Item`]: what the files of every framework become; questions about names |
//! | [`readers`] | [`read`]: public files to items |
//! | [`score`] | [`Scorer`]: items to log-likelihoods |
//! | [`measures`] | scores to metrics |
//! | [`report`](mod@report) | results with intervals, tests and paired changes; a table; every item's scores |
//! | [`error`] | [`FrameworkError`] |

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

pub mod error;
mod framework;
pub mod items;
pub mod measures;
pub mod readers;
pub mod report;
pub mod score;

pub use error::FrameworkError;
pub use framework::Framework;
pub use items::{Item, ItemSet};
pub use readers::{BbqAnswer, ReadOptions, read, read_with};
pub use report::Report;
pub use score::Scorer;
