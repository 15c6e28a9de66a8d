use std::fmt;

use bias_types::UnitKind;
use bias_types::prompt::Context;
use serde::{Deserialize, Serialize};

use super::budget::Budget;
use super::experiment::Experiment;

/// The prompts that a mask was made from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TrainedOn {
    /// One variation of a context.
    Variation(Context, String),
    /// The attribution variations of a context.
    Context(Context),
    /// The attribution variations of every context.
    All,
    /// The attribution variations of every context but one, which the mask is tested on.
    AllBut(Context),
}

/// A text in quotes. Characters that would end it, and those of lines and columns, are escaped. Ids
/// and seeds contain such texts, so they never change.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0' => out.push_str("\\0"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

impl TrainedOn {
    /// The seed text of random masks: unique to each source of masks, and never changed.
    pub(crate) fn seed_text(&self) -> String {
        let context = |own: &Context| format!("Context({})", quoted(own.as_str()));
        match self {
            Self::Variation(own, variation) => {
                format!("Variation({}, {})", context(own), quoted(variation))
            }
            Self::Context(own) => format!("Context({})", context(own)),
            Self::AllBut(own) => format!("AllBut({})", context(own)),
            Self::All => "All".into(),
        }
    }
}

impl fmt::Display for TrainedOn {
    /// The beginning of a strategy's id. Contexts with ambiguous names are quoted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |context: &Context| {
            let name = context.as_str();
            if name.starts_with(['(', '"']) || name.contains(':') {
                quoted(name)
            } else {
                name.into()
            }
        };
        match self {
            Self::Variation(context, variation) => write!(f, "{}:{variation}", named(context)),
            Self::Context(context) => f.write_str(&named(context)),
            Self::AllBut(context) => write!(f, "(all but {})", named(context)),
            Self::All => f.write_str("(all)"),
        }
    }
}

/// One mask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Strategy {
    /// Unique, such as `financial/signed-gap/0.2%`.
    pub id: String,
    /// The experiment that it belongs to.
    #[serde(default)]
    pub experiment: Experiment,
    /// The method that found it, such as `signed-gap`.
    pub method: String,
    /// The kind of unit that it prunes.
    pub unit: UnitKind,
    /// The prompts that it was made from.
    pub trained_on: TrainedOn,
    /// Its budget, such as `0.2%` or `4 heads`.
    pub budget: Budget,
    /// The [id](Self::id) of the mask of which this is the null: as many weights, chosen at random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub null_of: Option<String>,
    /// The number of weights changed: set to zero, unless the experiment is about alternatives to
    /// that.
    pub weights: usize,
    /// Their share of all prunable weights.
    pub share: f64,
    /// SHA-256 of the mask; empty for a change without a mask.
    pub mask: String,
    /// Relative change of perplexity on neutral text (0.01 is 1 % worse).
    pub perplexity_change: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_things_to_make_masks_from_are_called_alike() {
        let context = |name: &str| TrainedOn::Context(name.parse().unwrap());
        let all = [
            TrainedOn::All,
            TrainedOn::AllBut("pay".parse().unwrap()),
            TrainedOn::Variation("pay".parse().unwrap(), "raise".into()),
            context("pay"),
            context("pay:raise"),
            context("(all)"),
            context("(all but pay)"),
            context("\"pay:raise\""),
        ];
        let names: std::collections::BTreeSet<String> =
            all.iter().map(TrainedOn::to_string).collect();
        assert_eq!(names.len(), all.len(), "{names:?}");
        assert_eq!(all[2].to_string(), "pay:raise");
        assert_eq!(all[4].to_string(), "\"pay:raise\"");
        let seeds: std::collections::BTreeSet<String> =
            all.iter().map(TrainedOn::seed_text).collect();
        assert_eq!(seeds.len(), all.len(), "{seeds:?}");
    }

    /// Random masks are drawn from these texts. Another text would give another mask.
    #[test]
    fn seeds_are_made_of_texts_that_never_change() {
        let context: Context = "financial".parse().unwrap();
        let pinned = [
            (TrainedOn::All, "All"),
            (TrainedOn::Context(context.clone()), r#"Context(Context("financial"))"#),
            (TrainedOn::AllBut(context.clone()), r#"AllBut(Context("financial"))"#),
            (
                TrainedOn::Variation(context, "the \"car\" (low)".into()),
                r#"Variation(Context("financial"), "the \"car\" (low)")"#,
            ),
        ];
        for (own, text) in pinned {
            assert_eq!(own.seed_text(), text);
        }
        assert_eq!(quoted("≤ 1%\n'é\\"), r#""≤ 1%\n'é\\""#);
    }
}
