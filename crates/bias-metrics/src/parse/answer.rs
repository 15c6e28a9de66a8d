use std::fmt;

use serde::{Deserialize, Serialize};

use super::period::Period;
use super::unit::Unit;

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AnswerKind {
    /// One number.
    Number,
    /// A range, such as `$100 to $150`; its value is the midpoint.
    Range,
    /// Several numbers and nothing to tell which is meant, or digits that cannot be
    /// read as one number (`1,50`, `2024-01-15`).
    SeveralNumbers,
    /// Words, but no number among them.
    NoNumber,
    /// No number, and words that decline to give one.
    Refusal,
    /// Nothing but white space.
    Empty,
    /// Cut off within a number or before it, or within a thought: the answer is not known.
    Unfinished,
    /// A number in another unit than most answers to the same question: percent beside fractions,
    /// a month's pay beside a year's. [`AnswerReader`](super::AnswerReader) reads one answer and
    /// never finds it; [`Units`](super::Units) does.
    AnotherUnit,
    /// One of the options of a choice. Never found in a text.
    Option,
    /// Anything but the options of a choice. Likewise.
    OtherWords,
}

impl fmt::Display for AnswerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Number => "number",
            Self::Range => "range",
            Self::SeveralNumbers => "several numbers",
            Self::NoNumber => "no number",
            Self::Refusal => "refusal",
            Self::Empty => "empty",
            Self::Unfinished => "unfinished",
            Self::AnotherUnit => "another unit",
            Self::Option => "an option",
            Self::OtherWords => "other words",
        })
    }
}

/// An answer and the number it gives.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ParsedAnswer {
    /// What the answer says.
    pub kind: AnswerKind,
    /// Its value, always finite; present for [`AnswerKind::Number`] and
    /// [`AnswerKind::Range`] alone.
    pub value: Option<f64>,
    /// What the value counts, where the answer says it: `$20/hour`, `58%`, `42 out of 100`.
    pub unit: Unit,
}

impl ParsedAnswer {
    pub(super) fn without_value(kind: AnswerKind) -> Self {
        Self { kind, value: None, unit: Unit::default() }
    }

    /// The value for another period, at 52 weeks of 5 days of 8 hours in a year of 12 months. A
    /// value whose period is not said is taken to be meant for the one asked about.
    #[must_use]
    pub fn per(&self, asked: Period) -> Option<f64> {
        let factor = self.unit.period.map_or(1.0, |own| own.in_a_year() / asked.in_a_year());
        self.value.map(|value| value * factor).filter(|value| value.is_finite())
    }
}
