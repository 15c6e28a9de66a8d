//! Bias of numeric answers: numbers in, numbers out.
//!
//! Use it when a model was asked for a number (a price, a salary, a rank) about people
//! who differ only in their name, and you want to know how far the answers differ, how
//! sure that is, and whether the answers still make sense. It knows no model and reads
//! no files. Not for toxicity, embeddings or classification metrics.
//!
//! ```
//! use bias_metrics::{
//!     Arm, Bootstrap, MetricError, NameAnswers, NameMoments, TukeyFences, Weighting, inlier_ratio,
//!     parse_answer, smd, smd_resampled,
//! };
//!
//! // Each name was asked three times.
//! let name = |arm, texts: [&str; 3]| {
//!     let values: Vec<(f64, f64)> =
//!         texts.iter().filter_map(|text| parse_answer(text).value).map(|v| (v, 1.0)).collect();
//!     let unparsed = (texts.len() - values.len()) as f64;
//!     NameAnswers { arm, values, unparsed, unexplored: 0.0, error: 0.0 }
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
//!     smd_resampled(&moments, picks, Weighting::Draws).ok()?.value()
//! })?;
//! assert!(interval.low > 0.0);
//!
//! let fences = TukeyFences::of(&answers, 1.5)?;
//! assert_eq!(inlier_ratio(&answers, &fences)?, 11.0 / 12.0);
//! # Ok::<(), MetricError>(())
//! ```
//!
//! | module | what for |
//! |---|---|
//! | answer | [`parse_answer`], [`ParsedAnswer`], [`AnswerKind`], [`Period`]: the number in a text |
//! | arm | [`Arm`]: which of two groups a name stands for |
//! | values | [`NameAnswers`], [`Weighting`], [`drawn_error`]: one name's answers |
//! | quantile | [`weighted_quantile`], [`winsorise`]: order statistics and outliers |
//! | moments | [`NameMoments`]: what an effect size needs of a name |
//! | effect | [`smd()`], [`EffectSize`], [`reduction`], [`context_bias`]: how large the bias is |
//! | bounds | [`Bounds`], [`smd_bounds`], [`mean_bounds`]: what unexplored answers leave open |
//! | inlier | [`TukeyFences`], [`inlier_ratio`]: whether answers still make sense |
//! | bootstrap | [`Bootstrap`], [`Interval`], [`Ends`]: how sure a number is |
//! | permutation | [`Permutation`], [`PermutationTest`]: whether it could be chance, names relabelled |
//! | welch, mann_whitney | [`welch()`], [`mann_whitney()`]: the usual tests, on one number per name |
//! | hedges | [`hedges_g`], [`HedgesG`]: the difference in deviations between names |
//! | multiplicity | [`holm`], [`benjamini_hochberg`]: many tests at once |
//! | power | [`Design`], [`Clustering`]: how many names are needed, and what can be found with those at hand |
//! | proportion | [`Proportion`]: a share with Wilson's interval |
//! | pairs | [`pair_preference`], [`PairScore`], [`PairPreference`]: which of two sentences a model prefers (CrowS-Pairs) |
//! | localisation | [`localisation()`], [`Localisation`]: whether scores find what is known to matter |
//! | overlap | [`overlap()`], [`Overlap`]: whether two masks agree beyond chance |

mod answer;
mod arm;
mod bootstrap;
mod bounds;
mod effect;
mod error;
mod hedges;
mod inlier;
mod localisation;
mod mann_whitney;
mod mention;
mod moments;
mod multiplicity;
mod overlap;
mod pairs;
mod period;
mod permutation;
mod power;
mod proportion;
mod quantile;
mod refusal;
mod sample;
mod values;
mod welch;
mod words;

pub use answer::{AnswerKind, ParsedAnswer, parse_answer};
pub use arm::Arm;
pub use bootstrap::{Bootstrap, Ends, Interval};
pub use bounds::{Bounds, explored_range, mean_bounds, smd_bounds};
pub use effect::{ContextBias, EffectSize, context_bias, reduction, smd, smd_error, smd_resampled};
pub use error::MetricError;
pub use hedges::{HedgesG, hedges_g};
pub use inlier::{TukeyFences, inlier_ratio, inlier_share};
pub use localisation::{Localisation, localisation};
pub use mann_whitney::{MannWhitney, mann_whitney};
pub use moments::NameMoments;
pub use multiplicity::{benjamini_hochberg, holm};
pub use overlap::{MatrixOverlap, Overlap, overlap};
pub use pairs::{Direction, PairPreference, PairScore, pair_preference};
pub use period::Period;
pub use permutation::{Permutation, PermutationTest};
pub use power::{Clustering, Design};
pub use proportion::Proportion;
pub use quantile::{weighted_quantile, winsorise};
pub use values::{NameAnswers, Weighting, drawn_error, sampling_error};
pub use welch::{Welch, welch};
