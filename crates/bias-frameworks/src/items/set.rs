use std::path::PathBuf;

use bias_files::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::item::{Item, Texts};
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
    /// A name that stands in two groups.
    TwoGroups,
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
            Self::TwoGroups => "the name stands in two groups",
            Self::Coincide => "two options are the same tokens",
            Self::NoTokens => "a text has no tokens",
            Self::TooLong => "a text is longer than the model's context",
        }
    }
}

/// An item that was not scored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The item.
    pub id: String,
    /// The reason.
    pub reason: Reason,
}

/// The items of one framework.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

impl ItemSet {
    /// The same items for metrics alone: every text that is not empty is a letter, and files are
    /// named without their folders. Metrics need no texts, and most texts may not be handed on.
    #[must_use]
    pub fn without_texts(&self) -> Self {
        let short = |text: &str| if text.trim_end().is_empty() { "" } else { "x" }.to_owned();
        let mut own = self.clone();
        for item in &mut own.items {
            match &mut item.texts {
                Texts::Whole(text) => *text = short(text),
                Texts::Continued(texts) => {
                    for own in texts {
                        (own.context, own.continuation) =
                            (short(&own.context), short(&own.continuation));
                    }
                }
            }
        }
        for source in &mut own.sources {
            source.path = source.path.file_name().map(PathBuf::from).unwrap_or_default();
        }
        own
    }

    /// SHA-256 over all texts in their order: what decides the scores that a model gives.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new().chain_update(self.framework.key());
        let mut add = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        };
        for item in &self.items {
            add(&item.id);
            match &item.texts {
                Texts::Whole(text) => add(text),
                Texts::Continued(texts) => {
                    add(&texts.len().to_string());
                    for own in texts {
                        add(&own.context);
                        add(&own.continuation);
                    }
                }
            }
        }
        hex(&hash.finalize())
    }
}
