use std::fmt;

use serde::{Deserialize, Serialize};

/// What stands on both sides of a held-out split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SharedPart {
    /// Whole names, which are held out in one context only.
    Names,
    /// First names.
    FirstNames,
    /// Surnames.
    Surnames,
    /// Levels of one variation.
    Levels,
}

/// Parts of names, or variations, that stand on both sides of a held-out split. A test on held-out
/// names then meets what masks were made from again, and may look better than it would on names
/// that are wholly new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnBothSides {
    /// What they are.
    pub part: SharedPart,
    /// Those on both sides: names or their parts, or `context / variation` for levels.
    pub shared: Vec<String>,
    /// The number of all of them, on either side.
    pub all: usize,
}

/// As many are named in a message.
const NAMED: usize = 5;

impl fmt::Display for OnBothSides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, shared, all } = self;
        let named = shared.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = if shared.len() > NAMED { ", …" } else { "" };
        let (each, seen, column) = match part {
            SharedPart::Names => ("name", "names", "name_split"),
            SharedPart::FirstNames => ("first name", "names", "name_split"),
            SharedPart::Surnames => ("surname", "names", "name_split"),
            SharedPart::Levels => ("variation", "variations", "split"),
        };
        let levels = *part == SharedPart::Levels;
        let what = if levels { " have levels that" } else { "" };
        let (s, stand) = match (shared.len(), levels) {
            (1, true) => (if *all == 1 { "" } else { "s" }, " has levels that stand"),
            (1, false) => (if *all == 1 { "" } else { "s" }, " stands"),
            _ => ("s", " stand"),
        };
        let stand = if shared.len() == 1 { stand.to_owned() } else { format!("{what}{stand}") };
        write!(
            f,
            "{} of {all} {each}{s} ({named}{more}){stand} on both sides of the held-out split, so the \
             held-out {seen} are not entirely new to a mask. To separate them, put each {each} on one \
             side with the column `{column}` (attribution or held_out){}",
            shared.len(),
            if levels { "" } else { "; both groups need some on each side" }
        )
    }
}
