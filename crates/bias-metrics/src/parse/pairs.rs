//! What two numbers next to each other are: alternatives, products, instalments.

use super::cues::{HEDGES, is, skip_spaces, word_at};
use super::digits::Digits;
use super::mention::Mention;
use super::unit::{Measure, Unit};

/// Numbers farther apart than this are no alternatives: `$300 and 2 bikes`.
const WIDEST: f64 = 50.0;

/// Words between two numbers that put the second in the first one's place: `$300, maybe 320`.
const CHANGES: &[&str] = &["and", "then", "maybe", "but", "to"];
/// Nouns of what is paid in parts: `2 payments of $150`.
const PARTS: &[&str] =
    &["payments", "installments", "instalments", "rates", "instances", "checks", "deposits"];

/// The mentions with what they say of each other: the second of two alternatives has the first
/// one's currency (`$500 or 600`), and products, instalments and numbers that touch cannot be read.
pub(super) fn paired(text: &[char], mentions: &[Mention]) -> Vec<Mention> {
    let mut out: Vec<Mention> = Vec::with_capacity(mentions.len());
    for mention in mentions {
        let mut mention = mention.clone();
        if let Some(before) = out.last_mut() {
            let between = text.get(before.end..mention.start).unwrap_or_default();
            if is_alternative(between) && mention.unit == Unit::default()
                || replaces(text, between, before, &mention)
            {
                mention.unit.currency = before.unit.currency;
            } else if multiplies(between, before, &mention) || touches(text, before, &mention) {
                (before.digits, mention.digits) = (Digits::Unreadable, Digits::Unreadable);
            }
        }
        out.push(mention);
    }
    if let Some(last) = out.last_mut()
        && last.unit.currency.is_some()
        && multiplier_follows(text, last.end)
    {
        last.digits = Digits::Unreadable;
    }
    out
}

fn words_of(between: &[char]) -> Vec<String> {
    let text: String = between.iter().flat_map(|c| c.to_lowercase()).collect();
    let words = text.split_whitespace().map(|word| word.trim_matches([',', '*', '.', ';']));
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Whether the text between two numbers offers the second instead of the first: `$500 or 600`.
fn is_alternative(between: &[char]) -> bool {
    let words = words_of(between);
    words.first().is_some_and(|word| word == "or")
        && words.iter().skip(1).all(|word| HEDGES.contains(&word.as_str()))
}

/// `$300 then 320`, `$300, maybe 320 in the end`: numbers of one size, and no noun behind.
fn replaces(text: &[char], between: &[char], first: &Mention, second: &Mention) -> bool {
    let value = |one: &Mention| one.value(one.power, first.unit.currency);
    let (Some(one), Some(two)) = (value(first), value(second)) else { return false };
    let words = words_of(between);
    let said = words.iter().any(|word| CHANGES.contains(&word.as_str()))
        && words.iter().all(|w| CHANGES.contains(&w.as_str()) || HEDGES.contains(&w.as_str()));
    let (behind, _) = word_at(text, skip_spaces(text, second.end));
    let ends = behind.is_empty()
        || ["in", "with", "for", "if", "at", "as", "by", "when"].contains(&behind.as_str());
    first.unit.currency.is_some()
        && second.unit == Unit::default()
        && said
        && ends
        && two >= 10.0
        && two < WIDEST * one
        && one < WIDEST * two
}

/// `2 x $300`, `500 × 0.6`, `3 installments of $100`.
fn multiplies(between: &[char], first: &Mention, second: &Mention) -> bool {
    let words = words_of(between);
    let plain = first.unit.measure == Measure::Plain;
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["x" | "×" | "times"] => plain,
        [many @ .., "of"] => {
            second.unit.currency.is_some()
                && first.unit == Unit::default()
                && many.iter().any(|word| PARTS.contains(word))
        }
        _ => false,
    }
}

/// `$300 x`, behind which no number follows that could be read.
fn multiplier_follows(text: &[char], end: usize) -> bool {
    let sign = skip_spaces(text, end);
    let number = skip_spaces(text, sign + 1);
    is(text, sign, |c| "x×".contains(c)) && is(text, number, |c| c.is_ascii_digit())
}

/// `nineteen dollars ninety-nine`, and money with three digits on the next line.
fn touches(text: &[char], first: &Mention, second: &Mention) -> bool {
    let between = text.get(first.end..second.start).unwrap_or_default();
    let money = first.unit.currency.is_some() && second.unit == Unit::default();
    let spoken = is(text, second.start, char::is_alphabetic)
        && first.power < 3
        && is(text, first.end.saturating_sub(1), char::is_alphabetic)
        && matches!(between, [' ']);
    let digits = |one: &Mention| {
        let run = text.get(one.start..one.end).unwrap_or_default();
        run.iter().rev().take_while(|c| c.is_ascii_digit()).count()
    };
    let first_run =
        |from: usize| (from..).take_while(|i| is(text, *i, |c| c.is_ascii_digit())).count();
    let high = first_run(second.start);
    // `12~400` and `$12..400`: a range, or the thousands of one number.
    let tied = [vec!['~'], vec!['.', '.']].iter().any(|sign| between == sign.as_slice())
        && (1..3).contains(&digits(first))
        && high == 3;
    // `12 34 567 ₹`, `38  500 €`, `**38** 500 €`
    let spaces = between.contains(&' ') && between.iter().all(|c| " *_".contains(*c));
    let priced = first.unit.currency.is_some() != second.unit.currency.is_some();
    let grouped = spaces
        && priced
        && (1..4).contains(&digits(first))
        && (2..4).contains(&high)
        && first.unit.measure == Measure::Plain;
    if tied || grouped {
        return true;
    }
    let broken = matches!(between, ['\n']) && second.end - second.start == 3;
    money && (spoken || broken)
}
