//! The study of bias between two groups of people in one language model: audit it, find what
//! carries the bias, prune that, and audit again, in every context.
//!
//! Use it to run the experiment of "Breaking Down Bias: On the Limits of Generalizable Pruning
//! Strategies" (arXiv 2502.07771) on your own checkpoint and prompts. For a single step, use the
//! crate of that step: [`bias_model`], [`bias_attrib`], [`bias_mask`], [`bias_metrics`].
//!
//! ```no_run
//! use bias_model::LanguageModel;
//! use bias_study::results::Attribute;
//! use bias_study::{PromptSet, Study, StudyOptions, tables};
//! use burn::backend::{Autodiff, Flex};
//!
//! let folder = std::path::Path::new("fixtures/emergent");
//! // People are compared by race: what `name_group` says before its first `_`.
//! let race = Attribute::before("race", "_");
//! let prompts = PromptSet::from_csv(&folder.join("prompts.csv"), &race, ["white", "black"])?;
//! let model = LanguageModel::load(folder, &Default::default())?;
//! let mut study = Study::<Autodiff<Flex>>::new(model, "emergent", &prompts, StudyOptions::default())?;
//! println!("{}", tables(&study.run()?));
//! # Ok::<(), bias_study::StudyError>(())
//! ```
//!
//! | room | what for |
//! |---|---|
//! | [`run`] | The study of one model: audit, attribute, prune, audit again; forecasts; its folder sealed and verified. |
//! | [`compare`] | Several models side by side, from what was kept of them. |
//! | [`generalize`] | Whether changes generalise: a protocol with matched damage, controls and verdicts. |
//! | [`gate`] | Masks of several contexts, of which the one that fits a prompt is applied. |
//! | [`treat`] | Alternatives to zeroing weights. |
//! | [`training`] | Training on texts that are drawn as they are needed. |
//! | [`find`] | Finding what to prune: every method, the masks made from their results, and the truth where it is known. |
//! | [`store`] | Finished work, kept once: a study's folder, its pieces, and their provenance. |
//! | [`likelihood`] | The likelihood of texts: tokens, neutral text, sentence pairs. |
//! | [`prompts`] | The people and questions: prompt files, checked, and the names that attribution may see. |
//! | [`recorded`] | Answers that were written down, as an audit saves them or somebody else did. |
//! | [`report`](mod@report) | Results for people: a page, figures, tables for a terminal, Markdown. It knows results and no model. |
//! | [`results`] | The results of a study or a benchmark: the schema of its files, without their computation. |

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod ask;
pub mod compare;
mod error;
pub mod find;
pub mod gate;
pub mod generalize;
pub mod likelihood;
mod plan;
mod pooled;
pub mod prompts;
pub mod recorded;
pub mod report;
pub mod results;
pub mod run;
mod save;
mod seed;
mod shard;
mod statistics;
pub mod store;
mod studied;
pub mod training;
pub mod treat;

pub use error::StudyError;
pub use find::{Candidate, Finding, Method};
pub use prompts::PromptSet;
pub use report::{report, tables};
pub use results::{Experiment, Plan, Results, Scope, Settings, TrainedOn};
pub use run::{Audit, Study, StudyOptions};
pub use studied::Studied;
