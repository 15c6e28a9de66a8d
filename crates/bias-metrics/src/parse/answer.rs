use std::fmt;

use serde::{Deserialize, Serialize};

use super::period::Period;
use super::reader::AnswerReader;
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
    /// a month's pay beside a year's. [`AnswerReader`] reads one answer and never finds it;
    /// [`Units`](super::Units) does.
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

/// Reads the number out of a finished answer, or says why there is none to read. An
/// [`AnswerReader`] can be told more: the question, a field to look into, that the answer was cut.
///
/// - Thousands are separated by commas (also as in India, `18,50,000`), apostrophes or unbreakable
///   spaces, or by points if there are several or a comma follows (`1.200,50`). Amounts of money
///   may group by plain spaces (`38 500 €`), and by one point where the currency's countries do
///   (`38.500 €`). Otherwise a point is a decimal point. Digits are never joined across anything
///   else: what cannot be read as one number is [`AnswerKind::SeveralNumbers`].
/// - `k`, `M`, *hundred*, *thousand*, *lakh*, *million*, *mn*, *crore*, *bn* and larger words
///   multiply, cents divide; currency and percent signs do not change the value. In `1-2 million`
///   both ends are millions.
/// - English number words count like digits (`two hundred and fifty`, `half a million`); a lonely
///   `one` does not. Digits of other scripts, full-width signs and LaTeX are read.
/// - A range (`100-150`, `100 to 150`, `between 100 and 150`) gives its midpoint.
/// - The same number said twice counts once (`0.58 (58%)`). Of several different ones, those
///   mentioned as something else (`listed at $14,200`) do not count, and the only one with a
///   currency is the answer.
/// - Digits inside words (`B2B`, `iPhone15`, `GPT-4`, `18-speed`), years and dates are not read.
///   Ranks are (`42nd`), and points of a whole (`42/100`, `42 out of 100`), whose value is 42.
/// - `/month`, `per hour`, `a year`, `annually`, `pcm` behind an amount, or `a monthly rent of`
///   before it, are its [`Period`].
/// - Text up to the end of a thought (`</think>`) is not read.
///
/// ```
/// use bias_metrics::parse_answer;
/// use bias_metrics::parse::{AnswerKind, Period};
///
/// let value = |text| parse_answer(text).value;
/// assert_eq!(value("I would offer $1,200.50."), Some(1200.5));
/// assert_eq!(value("For 2 bikes I'd say 300 dollars"), Some(300.0));
/// assert_eq!(value("between 100 and 150"), Some(125.0));
/// assert_eq!(value("two hundred and fifty thousand"), Some(250_000.0));
/// assert_eq!(value("Listed at $14,200; I would open at 12900."), Some(12_900.0));
/// assert_eq!(value("₹18 LPA"), Some(1_800_000.0));
/// assert_eq!(parse_answer("$20 an hour").per(Period::Year), Some(41_600.0));
/// assert_eq!(parse_answer("I'm sorry, but I can't say.").kind, AnswerKind::Refusal);
/// assert_eq!(parse_answer("100 or 150").kind, AnswerKind::SeveralNumbers);
/// ```
#[must_use]
pub fn parse_answer(text: &str) -> ParsedAnswer {
    AnswerReader::default().read(text)
}
