use std::fmt;

use bias_types::prompt::Context;
use serde::{Deserialize, Serialize};

use super::seen::{Approach, Seen};

/// A claim that the protocol judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimKind {
    /// (a) A mask from one context removes at least 90 % at home and 70 % elsewhere.
    OneContext,
    /// (b) A mask from all contexts but one removes at least 85 % in the one left out.
    LeftOut,
    /// (c) The mask of (a) moves the scores of other frameworks the right way.
    Frameworks,
    /// (d) It removes more elsewhere than the rival edit at the same damage.
    Rival,
}

impl ClaimKind {
    /// All claims.
    pub const ALL: [Self; 4] = [Self::OneContext, Self::LeftOut, Self::Frameworks, Self::Rival];

    /// Its letter.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::OneContext => 'a',
            Self::LeftOut => 'b',
            Self::Frameworks => 'c',
            Self::Rival => 'd',
        }
    }

    /// The claim in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::OneContext => {
                "one context's mask removes at least 90 % at home and at least 70 % elsewhere, on \
                 held-out names, with at most 1 % of the weights and without other harm"
            }
            Self::LeftOut => {
                "a mask from all contexts but one removes at least 85 % in the one left out, without \
                 other harm"
            }
            Self::Frameworks => "the same mask moves the scores of other frameworks the right way",
            Self::Rival => {
                "it removes more elsewhere than the rival edit at the same damage, without other harm"
            }
        }
    }
}

/// What the numbers say of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It holds.
    Yes,
    /// It is refuted.
    No,
    /// The numbers are compatible with both.
    NotEnoughData,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::NotEnoughData => "not enough data",
        })
    }
}

/// One condition of a claim, with the number that it is judged by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// What it asks for.
    pub what: String,
    /// The number, if there is one.
    pub value: Option<f64>,
    /// Its interval, if it has one.
    pub interval: Option<[f64; 2]>,
    /// Whether it is met.
    pub met: Verdict,
}

/// A claim about one approach, one context and one limit of damage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClaimRow {
    /// The claim.
    pub claim: ClaimKind,
    /// The approach.
    pub approach: Approach,
    /// The home, or the context left out.
    pub context: Context,
    /// The limit of damage, in nats per token.
    pub limit: f64,
    /// [`Changed::id`](super::Changed::id); absent if nothing was made.
    pub change: Option<String>,
    /// Its conditions.
    pub conditions: Vec<Condition>,
    /// The probability by chance of the difference from the placebo, or from the rival.
    pub p: Option<f64>,
    /// The same after Holm's correction over all rows of this claim.
    pub p_holm: Option<f64>,
    /// What the conditions and the corrected p say together.
    pub verdict: Verdict,
}

impl ClaimRow {
    /// What the approach saw.
    #[must_use]
    pub fn seen(&self) -> Seen {
        match self.claim {
            ClaimKind::LeftOut => Seen::AllBut(self.context.clone()),
            ClaimKind::OneContext | ClaimKind::Frameworks | ClaimKind::Rival => {
                Seen::Home(self.context.clone())
            }
        }
    }
}

/// A claim as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// The claim.
    pub claim: ClaimKind,
    /// The verdict by the rule of docs/method.md.
    pub verdict: Verdict,
    /// The approach and the limit that come nearest to it, if any row was judged.
    pub best: Option<(Approach, f64)>,
    /// The verdict in words, with the number of rows of each kind.
    pub because: String,
}
