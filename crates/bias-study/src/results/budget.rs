use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A share of all prunable weights, or of a matrix, in parts per billion. Shares with the same text
/// are equal.
///
/// ```
/// use bias_study::results::Share;
///
/// assert_eq!(Share::of(0.002).to_string(), "0.2%");
/// assert_eq!("0.2%".parse(), Ok(Share::of(0.002)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Share(u32);

const BILLION: f64 = 1e9;
/// Parts per billion in a percent.
const PERCENT: f64 = 1e7;

impl Share {
    /// The nearest share that can be written.
    #[must_use]
    pub fn of(share: f64) -> Self {
        Self((share * BILLION).round() as u32)
    }

    /// The share as a number between 0 and 1.
    #[must_use]
    pub const fn value(self) -> f64 {
        self.0 as f64 / BILLION
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", f64::from(self.0) / PERCENT)
    }
}

impl FromStr for Share {
    type Err = String;

    /// Reads a percentage such as `0.2%`.
    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').and_then(|text| text.parse::<f64>().ok());
        let share = number.filter(|percent| (0.0..=100.0).contains(percent));
        share
            .map(|percent| Self((percent * PERCENT).round() as u32))
            .ok_or_else(|| format!("`{text}` is no percentage between 0 and 100, such as `0.2%`"))
    }
}

/// The share of each matrix that counts as important in the paper.
pub(crate) const WANDA_SHARE: Share = Share(150_000_000);
/// The shares of all prunable weights that the signed gap may prune. The middle one has a random
/// control, and reports show it.
pub(crate) const GAP_SHARES: [Share; 3] = [Share(500_000), GAP_SHARE, Share(10_000_000)];
/// The middle share.
pub(crate) const GAP_SHARE: Share = Share(2_000_000);
/// The largest share of all prunable weights that a pursuit may prune.
pub(crate) const PURSUIT_SHARE: Share = Share(10_000_000);

/// The size of a mask, or the strength of another change of the model.
///
/// Files contain it as text ([`Display`](fmt::Display)), which parses back to the same budget.
/// These texts are parts of ids and never change; a test in `bias_study::results` pins them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum Budget {
    /// A share of all prunable weights; for a set difference, of each matrix of either group:
    /// `0.2%`.
    Share(Share),
    /// At most such a share: `≤ 1%`.
    AtMost(Share),
    /// This many heads: `4 heads`.
    Heads(usize),
    /// As many weights as this share of the whole model, all in one layer: `0.2% in layer 3`.
    InLayer(Share, usize),
    /// As many weights as another method takes, with its share if it has several: `as wanda 15%`.
    Like(String, Option<Share>),
    /// The units planted for a context: `planted`.
    Planted,
    /// The units planted for any context: `of all contexts`.
    OfAllContexts,
    /// A projection of this rank in each layer: `rank 2 per layer`.
    RankPerLayer(usize),
    /// A change of this rank of every matrix: `rank 4`.
    Rank(usize),
    /// Every weight may change: `all weights`.
    AllWeights,
    /// Every weight of the matrices that can be pruned may change: `all matrices`.
    AllMatrices,
    /// Half the difference of the groups' means, added in a layer: `half the difference, layer 2`.
    HalfDifference(usize),
    /// Any other description.
    Words(String),
}

impl Budget {
    /// A share of all prunable weights.
    #[must_use]
    pub fn share(share: f64) -> Self {
        Self::Share(Share::of(share))
    }

    /// As many weights as another method takes, with its share if it has several.
    pub(crate) fn like(what: &str, share: impl Into<Option<Share>>) -> Self {
        Self::Like(what.into(), share.into())
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(share) => share.fmt(f),
            Self::AtMost(share) => write!(f, "≤ {share}"),
            Self::Heads(1) => f.write_str("1 head"),
            Self::Heads(count) => write!(f, "{count} heads"),
            Self::InLayer(share, layer) => write!(f, "{share} in layer {layer}"),
            Self::Like(what, None) => write!(f, "as {what}"),
            Self::Like(what, Some(share)) => write!(f, "as {what} {share}"),
            Self::Planted => f.write_str("planted"),
            Self::OfAllContexts => f.write_str("of all contexts"),
            Self::RankPerLayer(rank) => write!(f, "rank {rank} per layer"),
            Self::Rank(rank) => write!(f, "rank {rank}"),
            Self::AllWeights => f.write_str("all weights"),
            Self::AllMatrices => f.write_str("all matrices"),
            Self::HalfDifference(layer) => write!(f, "half the difference, layer {layer}"),
            Self::Words(words) => f.write_str(words),
        }
    }
}

impl From<String> for Budget {
    fn from(text: String) -> Self {
        known(&text).unwrap_or(Self::Words(text))
    }
}

impl From<&str> for Budget {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<Budget> for String {
    fn from(own: Budget) -> Self {
        own.to_string()
    }
}

/// The budget with this text, unless it is a free description.
fn known(text: &str) -> Option<Budget> {
    let number = |text: &str| text.parse::<usize>().ok();
    let found = match text {
        "planted" => Budget::Planted,
        "of all contexts" => Budget::OfAllContexts,
        "all weights" => Budget::AllWeights,
        "all matrices" => Budget::AllMatrices,
        "1 head" => Budget::Heads(1),
        _ => {
            if let Ok(share) = text.parse() {
                Budget::Share(share)
            } else if let Some(rest) = text.strip_prefix("≤ ") {
                Budget::AtMost(rest.parse().ok()?)
            } else if let Some(count) = text.strip_suffix(" heads") {
                Budget::Heads(number(count)?)
            } else if let Some((share, layer)) = text.split_once(" in layer ") {
                Budget::InLayer(share.parse().ok()?, number(layer)?)
            } else if let Some(rank) = text.strip_prefix("rank ") {
                match rank.strip_suffix(" per layer") {
                    Some(rank) => Budget::RankPerLayer(number(rank)?),
                    None => Budget::Rank(number(rank)?),
                }
            } else if let Some(layer) = text.strip_prefix("half the difference, layer ") {
                Budget::HalfDifference(number(layer)?)
            } else {
                let what = text.strip_prefix("as ")?;
                match what
                    .rsplit_once(' ')
                    .and_then(|(what, share)| Some((what, share.parse().ok()?)))
                {
                    Some((what, share)) => Budget::like(what, Some(share)),
                    None => Budget::like(what, None),
                }
            }
        }
    };
    // `007 heads` is no way to write 7.
    (found.to_string() == text).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These texts are in files, ids and seeds. None of them may change.
    #[test]
    fn budgets_are_written_as_ever_and_read_back() {
        let pinned = [
            (Budget::Share(WANDA_SHARE), "15%"),
            (Budget::Share(GAP_SHARES[0]), "0.05%"),
            (Budget::Share(GAP_SHARE), "0.2%"),
            (Budget::Share(GAP_SHARES[2]), "1%"),
            (Budget::share(1e-6), "0.0001%"),
            (Budget::AtMost(PURSUIT_SHARE), "≤ 1%"),
            (Budget::Heads(1), "1 head"),
            (Budget::Heads(4), "4 heads"),
            (Budget::InLayer(GAP_SHARE, 3), "0.2% in layer 3"),
            (Budget::like("wanda", WANDA_SHARE), "as wanda 15%"),
            (Budget::like("signed gap", GAP_SHARE), "as signed gap 0.2%"),
            (Budget::like("gap pursuit", None), "as gap pursuit"),
            (Budget::Planted, "planted"),
            (Budget::OfAllContexts, "of all contexts"),
            (Budget::RankPerLayer(2), "rank 2 per layer"),
            (Budget::Rank(4), "rank 4"),
            (Budget::AllWeights, "all weights"),
            (Budget::AllMatrices, "all matrices"),
            (Budget::HalfDifference(2), "half the difference, layer 2"),
            (Budget::Words("7".into()), "7"),
            (Budget::Words("007 heads".into()), "007 heads"),
            (Budget::Words("rank me".into()), "rank me"),
            (Budget::Words("≤ a few".into()), "≤ a few"),
        ];
        for (budget, text) in pinned {
            assert_eq!(budget.to_string(), text);
            assert_eq!(Budget::from(text), budget, "{text}");
            let json = serde_json::to_string(&budget).unwrap();
            assert_eq!(serde_json::from_str::<Budget>(&json).unwrap(), budget, "{json}");
        }
        // The number that was meant, to the last bit.
        assert_eq!([WANDA_SHARE, GAP_SHARE, PURSUIT_SHARE].map(Share::value), [0.15, 0.002, 0.01]);
        assert_eq!(GAP_SHARES.map(Share::value), [0.0005, 0.002, 0.01]);
    }
}
