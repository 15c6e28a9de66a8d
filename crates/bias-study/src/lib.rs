//! The study of racial bias in one language model: audit it, find what carries the
//! bias, prune that, and audit again, in every context.
//!
//! Use it to run the experiment of "Breaking Down Bias: On the Limits of Generalizable
//! Pruning Strategies" (arXiv 2502.07771) on your own checkpoint and prompts. For one of
//! its steps alone, use the crate that owns it: [`bias_model`], [`bias_attrib`],
//! [`bias_mask`], [`bias_metrics`].
//!
//! ```no_run
//! use bias_model::LanguageModel;
//! use bias_study::{PromptSet, Study, StudyOptions, tables};
//! use burn::backend::{Autodiff, Flex};
//!
//! let folder = std::path::Path::new("fixtures/emergent");
//! let prompts = PromptSet::from_csv(&folder.join("prompts.csv"), ["white", "black"])?;
//! let model = LanguageModel::load(folder, &Default::default())?;
//! let mut study = Study::<Autodiff<Flex>>::new(model, "emergent", &prompts, StudyOptions::default())?;
//! println!("{}", tables(&study.run()?));
//! # Ok::<(), bias_study::StudyError>(())
//! ```
//!
//! | module | what for |
//! |---|---|
//! | prompts | [`PromptSet`]: the prompt file, checked |
//! | form | [`Form`], [`Kind`]: in free words, by a number, by a choice |
//! | options | [`StudyOptions`]: how a study is run |
//! | study | [`Study`]: audit, attribute, prune, audit again |
//! | experiment | [`Experiment`], [`Shard`]: what is asked, and which part of the work is done here |
//! | plan, forecast | [`Plan`], [`Forecast`]: how much is tried, and how long that takes |
//! | store, provenance, merge, manifest | finished work, kept once: [`Provenance`], [`merge()`], [`Manifest`], [`verify`] |
//! | alternatives, groups | [`Alternative`] to pruning, [`GroupDifferences`] within and across races |
//! | training | [`training`]: the loop that fixtures and alternatives are trained with |
//! | methods, finding | [`Method`], [`Finding`]: every way to find what to prune, and masks of any size from it |
//! | candidate | [`Candidate`]: a mask to test |
//! | benchmark, benchmark_tables | [`Study::benchmark`], [`Benchmark`]: every method at every budget, against the truth where it is known |
//! | results | [`Results`] and its parts: the content of `results.json` |
//! | tables, markdown, report | [`tables()`], [`markdown()`], [`report()`]: the results for people, in a terminal, on a documentation page, as one HTML page |
//! | figures | [`figures()`], [`Figure`]: the report's figures as files, each with its numbers as CSV |
//! | compare | [`compared`]: several studies side by side |
//! | significance | [`Significance`]: whether a difference could be chance |
//! | truth | [`Truth`]: what carries a planted model's bias |
//! | pairs | [`PairSet`], [`Reading`], [`score_pairs`]: sentence pairs in the schema of CrowS-Pairs, and which of two a model prefers |
//! | likelihood | [`token_log_probs`]: how likely a text's tokens are |
//! | perplexity | [`perplexity()`]: usefulness on neutral text |

mod alternatives;
mod asking;
mod baseline;
mod benchmark;
mod benchmark_tables;
mod boxes;
mod bundle;
mod candidate;
mod certainty;
mod charts;
mod compare;
mod curves;
mod error;
mod experiment;
mod figures;
mod finding;
mod findings;
mod finetune;
mod forecast;
mod form;
mod groups;
mod likelihood;
mod locate;
mod manifest;
mod markdown;
mod matching;
mod measure;
mod merge;
mod methods;
mod options;
mod outcome;
mod overlaps;
mod pairs;
mod parallel;
mod perplexity;
mod plan;
mod progress;
mod prompts;
mod provenance;
mod questions;
mod report;
mod results;
mod rows;
mod save;
mod sheet;
mod significance;
mod store;
mod strategies;
mod study;
mod tables;
mod timing;
pub mod training;
mod truth;
mod work;

pub use alternatives::Alternative;
pub use benchmark::{Benchmark, LeftOut, Located, MATCHED, ORACLE, Tried};
pub use benchmark_tables::{
    budgets_table, left_out_table, localisation_table, pareto_chart, pareto_table, transfer_table,
};
pub use candidate::Candidate;
pub use compare::compared;
pub use error::StudyError;
pub use experiment::{Experiment, Shard};
pub use figures::{FIGURES, Figure, figures};
pub use finding::{Apart, Differences, Finding};
pub use forecast::Forecast;
pub use form::{ChoiceValue, Form, Kind};
pub use groups::{GroupDifferences, GroupPair};
pub use likelihood::token_log_probs;
pub use manifest::{FileHash, Manifest, verify};
pub use markdown::{headline, markdown};
pub use merge::merge;
pub use methods::{Method, Seen};
pub use options::StudyOptions;
pub use pairs::{PairSet, Reading, SentencePair, score_pairs};
pub use perplexity::perplexity;
pub use plan::Plan;
pub use progress::in_words;
pub use prompts::{ContextPrompts, Person, PromptSet, Variation};
pub use provenance::{Program, Provenance, Run};
pub use report::{ReportError, report};
pub use results::{
    Baseline, ContextInfo, ContextOverlap, Estimate, FORMAT, Location, ModelInfo, Outcome, PromptInfo,
    QUANTILES, Results, Scope, Settings, Split, Strategy, TrainedOn, VariationBaseline,
};
pub use save::write;
pub use significance::Significance;
pub use study::Study;
pub use tables::{tables, timing_table};
pub use timing::{Phase, Timing};
pub use truth::Truth;
