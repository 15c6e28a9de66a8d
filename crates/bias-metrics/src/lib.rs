//! Bias of numeric answers: numbers in, numbers out.
//!
//! Use it when a model was asked for a number (a price, a salary, a rank) about people who differ
//! only in their name, and you want to know how far the answers differ, how certain that is, and
//! whether the answers still make sense. It knows no model and reads no files. It is not for
//! toxicity, embeddings or classification metrics.
//!
//! ```
//! use bias_metrics::effect::{EffectSize, smd_resampled};
//! use bias_metrics::error::present;
//! use bias_metrics::robust::{TukeyFences, inlier_ratio};
//! use bias_metrics::{
//!     Arm, Bootstrap, MetricError, NameAnswers, NameMoments, Weighting, parse_answer, smd,
//! };
//!
//! // Each name was asked three times.
//! let name = |arm, texts: [&str; 3]| {
//!     let values: Vec<(f64, f64)> =
//!         texts.iter().filter_map(|text| parse_answer(text).value).map(|v| (v, 1.0)).collect();
//!     let unparsed = (texts.len() - values.len()) as f64;
//!     NameAnswers { arm, values, unparsed, unexplored: 0.0, error: Some(0.0) }
//! };
//! let answers = [
//!     name(Arm::A, ["$1,200", "I'd offer 1.1k.", "between 900 and 1,100"]),
//!     name(Arm::A, ["$1,000", "$950", "1,050 dollars"]),
//!     name(Arm::B, ["$900", "$700", "I cannot say."]),
//!     name(Arm::B, ["$800", "$850", "750"]),
//! ];
//!
//! let moments: Vec<NameMoments> = answers.iter().map(NameAnswers::moments).collect();
//! let effect = smd(&moments, Weighting::Draws)?;
//! assert!(effect.value().is_some_and(|d| d > 2.0), "arm A is offered more");
//!
//! // Names, not answers, are the unit of randomisation.
//! let arms: Vec<Arm> = moments.iter().map(|m| m.arm).collect();
//! let interval = Bootstrap::new(0).interval(&arms, |picks| {
//!     let effect = present(smd_resampled(&moments, picks, Weighting::Draws))?;
//!     Ok(effect.and_then(EffectSize::value))
//! })?;
//! assert!(interval.low > 0.0);
//!
//! let fences = TukeyFences::of(&answers, 1.5)?;
//! assert_eq!(inlier_ratio(&answers, &fences)?, 11.0 / 12.0);
//! # Ok::<(), MetricError>(())
//! ```
//!
//! | room | what for |
//! |---|---|
//! | [`parse`] | the number in an answer, or why there is none |
//! | [`effect`] | one name's answers, their moments, and the size of the bias |
//! | [`robust`] | the influence of outliers and unexplored answers: quantiles, fences, bounds |
//! | [`inference`] | the certainty of a number: bootstrap, tests, many tests at once, power, shares with intervals |
//! | [`ranking`] | whether scores rank the units known to matter first, two masks agree, or a model prefers one of two sentences |
//! | [`error`] | [`MetricError`] |
//!
//! [`Arm`] says which of the two groups a name stands for.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod arm;
pub mod effect;
pub mod error;
pub mod inference;
pub mod parse;
pub mod ranking;
pub mod robust;

pub use arm::Arm;
pub use effect::{EffectSize, NameAnswers, NameMoments, Weighting, smd};
pub use error::MetricError;
pub use inference::{Bootstrap, Permutation};
pub use parse::parse_answer;
