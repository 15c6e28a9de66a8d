//! The numbers and ranges that a text says, each once.

use super::answer::AnswerKind;
use super::cues::{connects, is_alternative, is_given, is_reference, opens_between};
use super::currency::Currency;
use super::mention::Mention;
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
    /// Whether it is mentioned beside the answer: `listed at $14,200`.
    pub reference: bool,
    /// Whether it is clearly the answer: it is money, opens the text or follows `I would offer`.
    pub given: bool,
}

/// Ends of a range farther apart than this share no magnitude that one could guess: `950 to 1.2
/// million`.
const WIDEST: f64 = 100.0;

/// Turns mentions into numbers and ranges.
pub(super) fn said(text: &[char], mentions: &[Mention]) -> Vec<Said> {
    let mut out: Vec<Said> = Vec::new();
    let mentions = with_shared_currency(text, mentions);
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
                sum(text, large, small).map(|value| (value, large.unit.or(small.unit), later))
            }
            _ => None,
        };
        rest = after;
        match (one, added, chain) {
            (Some((kind, value, unit)), _, [low, ..]) => {
                out.push(Said::new(text, low, kind, value, unit));
            }
            (_, Some((value, unit, later)), [large, ..]) => {
                out.push(Said::new(text, large, AnswerKind::Number, Some(value), unit));
                rest = later;
            }
            _ => out.extend(chain.iter().map(|mention| {
                let value = mention.value(mention.power, mention.unit.currency);
                Said::new(text, mention, AnswerKind::Number, value, mention.unit)
            })),
        }
    }
    distinct(out)
}

impl Said {
    fn new(
        text: &[char],
        mention: &Mention,
        kind: AnswerKind,
        value: Option<f64>,
        unit: Unit,
    ) -> Self {
        let start = mention.start;
        Self {
            kind,
            value,
            unit,
            start,
            reference: is_reference(text, start),
            given: unit.currency.is_some() || is_given(text, start),
        }
    }

    /// Whether both say the same, be it in another form: `0.58 (58%)`.
    fn restates(&self, other: &Self) -> bool {
        let (Some(one), Some(two)) = (self.value, other.value) else { return false };
        let share = |value: f64, unit: Unit| match unit.measure {
            Measure::Plain => value,
            Measure::Percent => value / 100.0,
            Measure::OutOf(whole) => value / f64::from(whole),
        };
        let shares = [share(one, self.unit), share(two, other.unit)];
        let equal = (one == two && self.unit.agrees(other.unit))
            || (self.unit.measure != other.unit.measure
                && shares.iter().all(|share| (0.0..=1.0).contains(share))
                && (shares[0] - shares[1]).abs() < 1e-9);
        equal && self.kind == other.kind
    }
}

/// Gives the second of two alternatives the first one's currency: `$500 or 600`.
fn with_shared_currency(text: &[char], mentions: &[Mention]) -> Vec<Mention> {
    let mut out: Vec<Mention> = Vec::with_capacity(mentions.len());
    for mention in mentions {
        let mut mention = mention.clone();
        if let Some(before) = out.last()
            && mention.unit == Unit::default()
            && is_alternative(text.get(before.end..mention.start).unwrap_or_default())
        {
            mention.unit.currency = before.unit.currency;
        }
        out.push(mention);
    }
    out
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
    let kind = if from == to { AnswerKind::Number } else { AnswerKind::Range };
    Some((kind, (!apart).then(|| f64::midpoint(from, to)), unit))
}

/// What two numbers come to that are one: `12 thousand 400`, `2 crore and 50 lakh`, `5 dollars and
/// 50 cents`.
fn sum(text: &[char], large: &Mention, small: &Mention) -> Option<f64> {
    let between: String = text.get(large.end..small.start)?.iter().collect();
    let joined = match between.trim() {
        "" => !between.contains('\n'),
        "and" | "," => small.power != 0,
        _ => false,
    };
    let cents = large.power == 0 && small.power == -2 && large.unit.currency.is_some();
    let currency = large.unit.or(small.unit).currency;
    let value = |mention: &Mention| mention.value(mention.power, currency);
    let below = cents
        || (large.power >= 3
            && (0..large.power).contains(&small.power)
            && large.unit == Unit::default()
            && value(small)? < 10f64.powi(large.power));
    if !joined || !below || opens_between(text, large.start) {
        return None;
    }
    Some(value(large)? + value(small)?)
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
                known.given |= one.given;
                known.reference &= one.reference;
            }
            None => out.push(one),
        }
    }
    out
}

/// Of several, those that can be the answer: not what the question said or what is mentioned as
/// something else, if that leaves any; and of those the money, if it is one.
pub(super) fn candidates(said: Vec<Said>, question: &[(f64, Option<Currency>)]) -> Vec<Said> {
    let quoted = |one: &Said| {
        one.reference
            || one.value.is_some_and(|value| {
                question.iter().any(|(asked, currency)| {
                    value == *asked
                        && (currency.is_none()
                            || one.unit.currency.is_none()
                            || *currency == one.unit.currency)
                })
            })
    };
    let own: Vec<Said> = said.iter().filter(|one| !quoted(one)).cloned().collect();
    let left = if own.is_empty() { said } else { own };
    let mut priced = left.iter().filter(|one| one.unit.currency.is_some());
    match (priced.next(), priced.next()) {
        (Some(only), None) => vec![only.clone()],
        _ => left,
    }
}
