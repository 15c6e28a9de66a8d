//! Metrics: scores to numbers, a file for each kind of item.
//!
//! A metric is a function of sums over clusters (templates), so that an interval can draw clusters
//! anew and a change can be paired.
//!
//! | file | what for |
//! |---|---|
//! | statistic | [`Statistic`]: sums by cluster, and what follows from them |
//! | clusters | items by cluster |
//! | pairs | CrowS-Pairs: `pct_stereotype`, `likelihood_diff` |
//! | associations | StereoSet: LM, SS, ICAT |
//! | questions | BBQ: accuracy, s_DIS, s_AMB |
//! | pronouns | Winogender and WinoBias: accuracies and their gaps |
//! | decisions | discrim-eval: coefficients of log-odds |
//! | choices | `acc`, `acc_norm`, `acc_bytes` |
//! | texts | cloze and perplexity |

mod associations;
mod choices;
mod clusters;
mod decisions;
mod pairs;
mod pronouns;
mod questions;
pub(crate) mod statistic;
mod texts;

pub use self::statistic::{Statistic, Unit};

use self::clusters::{Row, Rows};
use crate::framework::Framework;
use crate::items::item::Item;
use crate::score::scorer::Score;

/// Every metric of a framework, of items with their scores.
#[must_use]
pub fn statistics(framework: Framework, scored: &[(&Item, &[Score])]) -> Vec<Statistic> {
    let rows: Vec<Row<'_>> = scored.iter().map(|(item, scores)| Row { item, scores }).collect();
    let rows = Rows::new(rows);
    match framework {
        Framework::Crows => pairs::statistics(&rows),
        Framework::Stereoset => associations::statistics(&rows),
        Framework::Bbq => questions::statistics(&rows),
        Framework::Winogender => pronouns::by_gender(&rows),
        Framework::Winobias => pronouns::by_stereotype(&rows),
        Framework::DiscrimEval => decisions::statistics(&rows),
        Framework::Wikitext => texts::perplexities(&rows),
        Framework::Hellaswag
        | Framework::Arc
        | Framework::Mmlu
        | Framework::Piqa
        | Framework::Boolq
        | Framework::Lambada
        | Framework::Tasks => {
            choices::statistics(&rows).into_iter().chain(texts::cloze(&rows)).collect()
        }
    }
}
