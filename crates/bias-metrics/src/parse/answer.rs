use std::fmt;

use serde::{Deserialize, Serialize};

use super::mention::{Mention, mentions, opens_between};
use super::period::Period;
use super::refusal::declines;

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
    /// Cut off within a number, so that it is not known which. Never found by
    /// [`parse_answer`], which sees only the text: whoever cut it must say so.
    Unfinished,
    /// One of the options of a choice. Never found by [`parse_answer`] either.
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
    /// What the amount is paid for, where the answer says it: `$20/hour`.
    pub period: Option<Period>,
    /// Whether the text ends with a number or with one word behind it, so that an answer cut there
    /// may have been about to go on: `two hundred and fifty` thousand.
    pub open: bool,
}

impl ParsedAnswer {
    /// The value for another period, at 52 weeks of 5 days of 8 hours in a year of 12 months. A
    /// value whose period is not said is taken to be meant for the one asked about.
    #[must_use]
    pub fn per(&self, asked: Period) -> Option<f64> {
        let factor = self.period.map_or(1.0, |own| own.in_a_year() / asked.in_a_year());
        self.value.map(|value| value * factor).filter(|value| value.is_finite())
    }
}

/// Reads the number out of a model's answer, or says why there is none to read.
///
/// - Thousands separators are commas, apostrophes or unbreakable spaces between groups of three, or
///   points if there are several or a comma follows (`1.200,50`); otherwise a point is a decimal
///   point. Digits are never joined across anything else.
/// - `k`, `K`, `M`, *hundred*, *thousand*, *million* and larger words multiply, cents divide;
///   currency and percent signs do not change the value. In `1-2 million` both ends are millions.
/// - English number words count like digits (`two hundred and fifty`, `half a million`); a lonely
///   `one` does not.
/// - A range (`100-150`, `100 to 150`, `between 100 and 150`) gives its midpoint.
/// - The same number said twice counts once. Of several different ones, the only one
///   with a currency (`$`, `€`, *dollars*, *USD*, …) is the answer.
/// - Digits inside words (`B2B`, `iPhone15`, `GPT-4`, `18-speed`) are not read.
/// - `/month`, `per hour`, `a year`, `annually` behind an amount are its [`Period`].
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
/// assert_eq!(parse_answer("$20 an hour").per(Period::Year), Some(41_600.0));
/// assert_eq!(parse_answer("I'm sorry, but I can't say.").kind, AnswerKind::Refusal);
/// assert_eq!(parse_answer("100 or 150").kind, AnswerKind::SeveralNumbers);
/// ```
#[must_use]
pub fn parse_answer(text: &str) -> ParsedAnswer {
    let without = |kind, open| ParsedAnswer { kind, value: None, period: None, open };
    if text.trim().is_empty() {
        return without(AnswerKind::Empty, false);
    }
    let chars: Vec<char> = text.chars().collect();
    let mentions = mentions(&chars);
    if mentions.len() > MOST_NUMBERS {
        return without(AnswerKind::SeveralNumbers, false);
    }
    let open = mentions.last().is_some_and(|last| {
        let rest: String = chars.iter().skip(last.end).collect();
        rest.trim().chars().all(|c| c.is_alphabetic() || ",.-".contains(c))
    });
    let said = distinct(said(&chars, &mentions));
    let mut priced = said.iter().filter(|s| s.currency);
    let chosen = match (said.as_slice(), priced.next(), priced.next()) {
        ([], ..) if declines(text) => return without(AnswerKind::Refusal, open),
        ([], ..) => return without(AnswerKind::NoNumber, open),
        ([only], ..) => only,
        (_, Some(only), None) => only,
        _ => return without(AnswerKind::SeveralNumbers, open),
    };
    match chosen.value {
        Some(value) => {
            ParsedAnswer { kind: chosen.kind, value: Some(value), period: chosen.period, open }
        }
        None => without(AnswerKind::SeveralNumbers, open),
    }
}

/// A text with more is no answer.
const MOST_NUMBERS: usize = 256;

/// A number or a range that the answer mentions.
#[derive(Debug, Clone, Copy)]
struct Said {
    kind: AnswerKind,
    /// `None` when the digits are unreadable.
    value: Option<f64>,
    currency: bool,
    period: Option<Period>,
}

/// Turns mentions into numbers and ranges.
fn said(text: &[char], mentions: &[Mention]) -> Vec<Said> {
    let alone = |m: &Mention| Said {
        kind: AnswerKind::Number,
        value: m.value_at(m.power),
        currency: m.currency,
        period: m.period,
    };
    let mut out = Vec::new();
    let mut rest = mentions;
    while !rest.is_empty() {
        let joined =
            rest.windows(2).take_while(|w| matches!(w, [x, y] if joins(text, x, y))).count();
        // Three or more joined numbers are a date or a telephone number, not a range.
        let (chain, after) = rest.split_at(joined + 1);
        match chain {
            [low, high] => match range(low, high, opens_between(text, low.start)) {
                Some(range) => out.push(range),
                None => out.extend(chain.iter().map(alone)),
            },
            _ => out.extend(chain.iter().map(alone)),
        }
        rest = after;
    }
    out
}

/// Whether only a range's connecting word or dash lies between two numbers.
fn joins(text: &[char], low: &Mention, high: &Mention) -> bool {
    let between: String = text.get(low.end..high.start).unwrap_or_default().iter().collect();
    match between.trim().to_lowercase().as_str() {
        "-" | "–" | "—" | "−" | "‑" | "~" | "to" => !between.contains('\n'),
        "and" => opens_between(text, low.start),
        _ => false,
    }
}

/// The range of two joined numbers. Falling ones (`3 to 1`) are none, except after
/// "between".
fn range(low: &Mention, high: &Mention, either_order: bool) -> Option<Said> {
    let shared = low.power == 0 && high.power != 0 && low.value_at(0)? < high.value_at(0)?;
    let from = low.value_at(if shared { high.power } else { low.power })?;
    let to = high.value_at(high.power)?;
    let kind = if from == to { AnswerKind::Number } else { AnswerKind::Range };
    let rising = from <= to || either_order;
    rising.then(|| Said {
        kind,
        value: Some(f64::midpoint(from, to)),
        currency: low.currency || high.currency,
        period: low.period.or(high.period),
    })
}

/// Each number and range once; its currency counts wherever it was said.
fn distinct(said: Vec<Said>) -> Vec<Said> {
    let mut out: Vec<Said> = Vec::new();
    for one in said {
        let same = |s: &&mut Said| {
            let alike = s.period.is_none() || one.period.is_none() || s.period == one.period;
            s.value.is_some() && s.value == one.value && s.kind == one.kind && alike
        };
        match out.iter_mut().find(same) {
            Some(known) => {
                known.currency |= one.currency;
                known.period = known.period.or(one.period);
            }
            None => out.push(one),
        }
    }
    out
}
