use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::item::Item;
use crate::framework::Framework;

/// A file that items come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its path, as it was named.
    pub path: PathBuf,
    /// SHA-256 of its bytes.
    pub sha256: String,
}

/// Why an item was not scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The file does not say which option is right, as in the test splits of some tasks.
    NoGold,
    /// A BBQ question without an option that lm-evaluation-harness knows as "unknown".
    NoUnknown,
    /// A StereoSet item without exactly one sentence of each label.
    NotThree,
    /// A sentence in which nothing, or more than one thing, could be meant instead.
    NoOther,
    /// Two options are the same tokens, so that neither can win.
    Coincide,
    /// A text has no tokens.
    NoTokens,
    /// A text has more tokens than the model's context. lm-evaluation-harness would cut off its
    /// beginning.
    TooLong,
}

impl Reason {
    /// The reason in words, for a message that names items.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::NoGold => "the file does not say which option is right",
            Self::NoUnknown => "no option says that it is unknown, in words that are known",
            Self::NotThree => "there is not one sentence of each label",
            Self::NoOther => "there is not exactly one other noun that could be meant",
            Self::Coincide => "two options are the same tokens",
            Self::NoTokens => "a text has no tokens",
            Self::TooLong => "a text is longer than the model's context",
        }
    }
}

/// An item that was not scored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The item.
    pub id: String,
    /// The reason.
    pub reason: Reason,
}

/// The items of one framework.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemSet {
    /// The framework.
    pub framework: Framework,
    /// The files.
    pub sources: Vec<Source>,
    /// The items, in the order of the files.
    pub items: Vec<Item>,
    /// Items of the files that could not be used.
    pub left_out: Vec<LeftOut>,
}
