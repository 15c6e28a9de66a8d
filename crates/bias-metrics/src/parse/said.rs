//! The numbers and ranges that a text says, each once.

use super::answer::AnswerKind;
use super::cues::{connects, opens_between};
use super::mention::Mention;
use super::pairs::paired;
use super::period::Period;
use super::roles::Role;
use super::unit::{Measure, Unit};

/// A number or a range that a text mentions.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub kind: AnswerKind,
    /// `None` when the digits are unreadable.
    pub value: Option<f64>,
    pub unit: Unit,
    /// Where it begins.
    pub start: usize,
    /// One past its end.
    end: usize,
    /// What the words around make of it.
    pub role: Role,
    /// Whether the question says the same number.
    pub quoted: bool,
}

/// Ends of a range farther apart than this share no magnitude that one could guess: `950 to 1.2
/// million`.
const WIDEST: f64 = 100.0;
/// One time in two units may be rounded in one of them: `28 months, which is 2.33 years`.
const ROUNDED: f64 = 0.005;

/// How long a time is, at 12 months in a year.
fn hours(period: Period) -> f64 {
    match period {
        Period::Hour => 1.0,
        Period::Day => 24.0,
        Period::Week => 168.0,
        Period::Fortnight => 336.0,
        Period::HalfMonth => 365.25,
        Period::Month => 730.5,
        Period::Quarter => 2191.5,
        Period::Year => 8766.0,
    }
}

/// Turns mentions into numbers and ranges.
pub(super) fn said(text: &[char], mentions: &[Mention]) -> Vec<Said> {
    let mut out: Vec<Said> = Vec::new();
    let mentions = paired(text, mentions);
    let mut rest = mentions.as_slice();
    while !rest.is_empty() {
        let joined =
            rest.windows(2).take_while(|w| matches!(w, [x, y] if joins(text, x, y))).count();
        // Three or more joined numbers are a date or a telephone number, not a range.
        let (chain, after) = rest.split_at(joined + 1);
        let one = match chain {
            [low, high] => range(low, high, opens_between(text, low.start)),
            _ => None,
        };
        let added = match (&one, chain, after.split_first()) {
            (None, [large], Some((small, later))) => {
                sum(text, large, small).map(|(value, unit)| (value, unit, small, later))
            }
            _ => None,
        };
        rest = after;
        match (one, added, chain) {
            (Some((kind, value, unit)), _, [low, high]) => {
                out.push(Said::new(text, (low, high), kind, value, unit));
            }
            (_, Some((value, unit, small, later)), [large, ..]) => {
                let ends = (large, small);
                out.push(Said::new(text, ends, AnswerKind::Number, Some(value), unit));
                rest = later;
            }
            _ => {
                let first = out.len();
                out.extend(chain.iter().map(|mention| {
                    let value = mention.value(mention.power, mention.unit.currency);
                    Said::new(text, (mention, mention), AnswerKind::Number, value, mention.unit)
                }));
                // `$1,200 - $200 discount`
                if let Some([one, change]) = out.get_mut(first..)
                    && change.role.never
                {
                    one.value = None;
                }
            }
        }
    }
    // "I wouldn't offer $500 or $400."
    for i in 1..out.len() {
        if let Some([before, one]) = out.get_mut(i - 1..=i) {
            let between: String =
                text.get(before.end..one.start).unwrap_or_default().iter().collect();
            one.role.never |= before.role.never && ["or", "nor"].contains(&between.trim());
        }
    }
    distinct(out)
}

impl Said {
    fn new(
        text: &[char],
        (first, last): (&Mention, &Mention),
        kind: AnswerKind,
        value: Option<f64>,
        unit: Unit,
    ) -> Self {
        let share = unit.measure == Measure::Percent;
        let role = Role::of(text, first.start, last.end, share, unit.currency.is_some());
        Self { kind, value, unit, start: first.start, end: last.end, role, quoted: false }
    }

    /// Whether it is clearly the answer, even where the text was cut behind it.
    pub fn is_given(&self) -> bool {
        !self.role.reference && (self.role.given() || (self.role.told && !self.quoted))
    }

    /// Whether both say the same, be it in another form: `0.58 (58%)`.
    fn restates(&self, other: &Self) -> bool {
        let (Some(one), Some(two)) = (self.value, other.value) else { return false };
        let share = |value: f64, unit: Unit| match unit.measure {
            Measure::Plain => Some(value),
            Measure::Percent => Some(value / 100.0),
            Measure::OutOf(whole) => Some(value / f64::from(whole)),
            Measure::Rank | Measure::Lasting(_) => None,
        };
        let shares = share(one, self.unit).zip(share(two, other.unit));
        let equal = match (self.unit.measure, other.unit.measure) {
            (Measure::Lasting(a), Measure::Lasting(b)) => {
                let (one, two) = (one * hours(a), two * hours(b));
                (one - two).abs() <= ROUNDED * one.abs()
            }
            (a, b) => {
                (one == two && self.unit.agrees(other.unit))
                    || shares.is_some_and(|(one, two)| {
                        a != b
                            && [one, two].iter().all(|share| (0.0..=1.0).contains(share))
                            && (one - two).abs() < 1e-9
                    })
            }
        };
        equal && self.kind == other.kind
    }
}

/// Whether only what connects a range lies between two numbers.
fn joins(text: &[char], low: &Mention, high: &Mention) -> bool {
    let between = text.get(low.end..high.start).unwrap_or_default();
    connects(between, opens_between(text, low.start))
}

/// The range of two joined numbers. Falling ones (`3 to 1`) are none, except after "between".
fn range(
    low: &Mention,
    high: &Mention,
    either_order: bool,
) -> Option<(AnswerKind, Option<f64>, Unit)> {
    let unit = low.unit.or(high.unit);
    let plain = |mention: &Mention| mention.value(0, unit.currency);
    let shared = low.power == 0 && high.power != 0 && plain(low)? < plain(high)?;
    let from = low.value(if shared { high.power } else { low.power }, unit.currency)?;
    let to = high.value(high.power, unit.currency)?;
    let rising = from <= to || either_order;
    if !rising || !low.unit.agrees(high.unit) {
        return None;
    }
    let apart = low.power == 0 && high.power > 0 && !shared && to > WIDEST * from;
    // `80 to 90,000`: 80, or 80 thousand.
    let thousands = high.grouped
        && low.power < 3
        && from < 1000.0
        && (1000.0 * from..=10_000.0 * from).contains(&to);
    let apart = apart || thousands;
    let kind = if from == to { AnswerKind::Number } else { AnswerKind::Range };
    Some((kind, (!apart).then(|| f64::midpoint(from, to)), unit))
}

/// What two numbers come to that are one, and in which unit: `12 thousand 400`, `2 crore and 50
/// lakh`, `5 dollars and 50 cents`, `2 years and 6 months`.
fn sum(text: &[char], large: &Mention, small: &Mention) -> Option<(f64, Unit)> {
    let between: String = text.get(large.end..small.start)?.iter().collect();
    let unit = large.unit.or(small.unit);
    let value = |mention: &Mention| mention.value(mention.power, unit.currency);
    if let (Measure::Lasting(Period::Year), Measure::Lasting(Period::Month)) =
        (large.unit.measure, small.unit.measure)
    {
        let joined = ["", "and", ",", ", and"].contains(&between.trim());
        let months = value(small).filter(|months| joined && *months < 12.0)?;
        return Some((12.0 * value(large)? + months, small.unit));
    }
    let joined = match between.trim() {
        "" => !between.contains('\n'),
        "and" | "," => small.power != 0,
        _ => false,
    };
    let cents = large.power == 0 && small.power == -2 && large.unit.currency.is_some();
    let money = Unit { currency: large.unit.currency, ..Unit::default() };
    // `$1 million 200 people`
    let ends = small.power != 0
        || large.unit == Unit::default()
        || !text.iter().skip(small.end).find(|c| **c != ' ').is_some_and(|c| c.is_alphabetic());
    let below = cents
        || (large.power >= 3
            && (0..large.power).contains(&small.power)
            && large.unit == money
            && large.unit.agrees(small.unit)
            && ends
            && value(small)? < 10f64.powi(large.power));
    if !joined || !below || opens_between(text, large.start) {
        return None;
    }
    Some((value(large)? + value(small)?, unit))
}

/// Each number and range once; its unit counts wherever it was said.
fn distinct(said: Vec<Said>) -> Vec<Said> {
    let mut out: Vec<Said> = Vec::new();
    for one in said {
        match out.iter_mut().find(|known| known.restates(&one)) {
            Some(known) => {
                if known.value == one.value {
                    known.unit = known.unit.or(one.unit);
                }
                known.role = known.role.or(one.role);
            }
            None => out.push(one),
        }
    }
    out
}
