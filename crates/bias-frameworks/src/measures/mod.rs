//! Metrics: scores to numbers, a file for each kind of item.
//!
//! A metric is a function of sums over clusters (templates), so that an interval can draw clusters
//! anew and a change can be paired.
//!
//! | file | what for |
//! |---|---|
//! | by_framework | [`statistics`]: every metric of a framework |
//! | statistic | [`Statistic`]: sums by cluster, and what follows from them |
//! | clusters | items by cluster |
//! | pairs | CrowS-Pairs: `pct_stereotype`, `likelihood_diff` |
//! | associations | StereoSet: LM, SS, ICAT |
//! | questions | BBQ: accuracy, s_DIS, s_AMB |
//! | pronouns | Winogender and WinoBias: accuracies and their gaps |
//! | names | whether the groups of names are told apart |
//! | decisions | discrim-eval: coefficients of log-odds |
//! | choices | `acc`, `acc_norm`, `acc_bytes` |
//! | texts | cloze and perplexity |

mod associations;
pub(crate) mod by_framework;
mod choices;
mod clusters;
mod decisions;
mod names;
mod pairs;
mod pronouns;
mod questions;
pub(crate) mod statistic;
mod texts;

pub use self::by_framework::statistics;
pub use self::statistic::{Chance, Statistic, Unit};
