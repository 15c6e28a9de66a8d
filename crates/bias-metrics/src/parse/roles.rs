//! What the words around a number make of it: the answer, something mentioned, or something refused.

use super::cues::{skip_marks, word_at};
use super::denials::{is_denied, is_difference, is_refused};
use super::offers::{is_alone, is_offered, is_praised, may_follow, opens};
use super::references::{CHANGES, before, is_called, is_reference};

/// What a number is for, as far as the words around it tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Role {
    /// It follows words that give an answer: `I would offer`, `Bid`, `Rank:`.
    pub offered: bool,
    /// It opens the text, or a sentence that is nothing but it.
    pub opens: bool,
    /// Words such as `would be fair` follow.
    pub told: bool,
    /// It ends the text.
    pub closes: bool,
    /// It is mentioned beside the answer: `listed at $14,200`.
    pub reference: bool,
    /// It cannot be the answer: `$150 off`, `60% of that`, `I would not pay $500`.
    pub never: bool,
}

impl Role {
    /// Of what stands in a box.
    pub const GIVEN: Self = Self {
        offered: true,
        opens: true,
        told: true,
        closes: true,
        reference: false,
        never: false,
    };

    /// Of the number from `start` to `end`. `share` says that it is in percent, and `money` that it
    /// is an amount.
    pub fn of(text: &[char], start: usize, end: usize, share: bool, money: bool) -> Self {
        let changes =
            (share || money) && (before(text, start, CHANGES) || is_difference(text, end, share));
        let follows = word_at(text, skip_marks(text, end)).0;
        let told = ["would", "seems", "sounds"].contains(&follows.as_str())
            || (follows == "is" && is_praised(text, end));
        Self {
            offered: is_offered(text, start),
            opens: opens(text, start) && may_follow(text, end) || is_alone(text, start, end),
            told,
            closes: ends_text(text, end),
            reference: is_reference(text, start) || is_called(text, end),
            never: changes || is_denied(text, start) || is_refused(text, end),
        }
    }

    /// Of a number that is said twice.
    pub fn or(self, other: Self) -> Self {
        Self {
            offered: self.offered || other.offered,
            opens: self.opens || other.opens,
            told: self.told || other.told,
            closes: self.closes || other.closes,
            reference: self.reference && other.reference,
            never: self.never && other.never,
        }
    }

    /// Whether the number is clearly the answer, even if the text was cut behind it.
    pub fn given(self) -> bool {
        self.offered || self.opens
    }
}

fn ends_text(text: &[char], end: usize) -> bool {
    text.iter().skip(end).all(|c| !c.is_alphanumeric())
}
