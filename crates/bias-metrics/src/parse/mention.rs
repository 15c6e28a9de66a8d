//! Where a text mentions numbers: digits or words with their sign, currency, magnitude and period.

use super::asides::{abbreviated_age, aside, is_age};
use super::cues::{
    connects, counts_digits, digit, is, is_spaceless, opens_between, skip_spaces, takes_glued,
    word_at, words_before,
};
use super::currency::Currency;
use super::dates::{date, is_rank, year};
use super::digits::{Digits, NARROW_SPACES};
use super::fractions::fraction;
use super::number_words::{Spelt, spelt};
use super::unit::{Measure, Unit};

/// One number written in a text.
#[derive(Debug, Clone)]
pub(super) struct Mention {
    /// First character, sign and currency included.
    pub start: usize,
    /// One past the last character, units included.
    pub end: usize,
    pub digits: Digits,
    pub negative: bool,
    /// Power of ten that a magnitude adds: 3 for `k`.
    pub power: i32,
    pub dozens: bool,
    /// Whether it is written in thousands: `90,000`, `ninety thousand`.
    pub grouped: bool,
    /// Whether it says how old something is, or how long ago.
    pub age: bool,
    /// Currency, period and measure, as far as they are said.
    pub unit: Unit,
}

impl Mention {
    fn new(start: usize, end: usize, digits: Digits) -> Self {
        let unit = Unit::default();
        Self {
            start,
            end,
            digits,
            negative: false,
            power: 0,
            dozens: false,
            grouped: false,
            age: false,
            unit,
        }
    }

    /// The number with a magnitude of 10^`power` in this currency, where it is readable and finite.
    pub fn value(&self, power: i32, currency: Option<Currency>) -> Option<f64> {
        // Through a literal: 1.005 k is 1005, and 1.005 · 1000 is not.
        let digits = self.digits.literal(currency, power > 0)?;
        let value = format!("{digits}e{power}").parse::<f64>().ok()?;
        let value = if self.dozens { 12.0 * value } else { value };
        let value = if self.negative { 0.0 - value } else { value }; // never −0
        Some(value).filter(|value| value.is_finite())
    }
}

/// Characters that may lie between the ends of a range.
const LONGEST_LINK: usize = 40;

/// All numbers of a text, in order. Digits that are part of a word (`B2B`, `GPT-4`, `18-speed`),
/// years and dates are not numbers.
pub(super) fn mentions(text: &[char]) -> Vec<Mention> {
    let (mut found, mut at, mut free) = (Vec::<Mention>::new(), 0, 0);
    while at < text.len() {
        let read = if starts_digits(text, at) {
            let digits_end = digits_end(text, at);
            let joined = |low: &&mut Mention| {
                let between = text.get(low.end..at).unwrap_or_default();
                between.len() <= LONGEST_LINK && connects(between, false)
            };
            let low = found.last_mut().filter(joined);
            let read = read(text, at, digits_end, free, low.as_ref().and_then(|m| m.unit.currency));
            if let (Err(_), Some(low)) = (&read, low) {
                // `5-10km` is not 5.
                low.digits = Digits::Unreadable;
            }
            read.map_err(|end| end.max(digits_end))
        } else {
            spelt_mention(text, at, free).ok_or(at + 1)
        };
        match read {
            Ok(mention) => {
                (at, free) = (mention.end, mention.end);
                found.push(mention);
            }
            Err(next) => at = next,
        }
    }
    found
}

/// A number spelt in words that begins here.
fn spelt_mention(text: &[char], start: usize, free: usize) -> Option<Mention> {
    let inside = start > 0 && is(text, start - 1, |c| c.is_alphanumeric() || "-‑'’".contains(c));
    if inside || !is(text, start, char::is_alphabetic) {
        return None;
    }
    let (own, part) = match fraction(text, start) {
        Some(part) => {
            let (digits, power) = part.of?.unzip();
            let power = power.unwrap_or_default();
            (Spelt { end: part.end, digits, power, ordinal: false }, true)
        }
        None => (spelt(text, start, opens_between(text, start))?, false),
    };
    // "Between the two, I'd take the middle."
    let (said, behind) = (word(text, start, own.end).to_lowercase(), own.end);
    if said == "two"
        && words_before(text, start, 1).first().is_some_and(|word| word == "the")
        && !is(text, skip_spaces(text, behind), char::is_alphabetic)
    {
        return None;
    }
    let mut mention =
        Mention::new(start, own.end, own.digits.map_or(Digits::Unreadable, Digits::Sure));
    mention.power = own.power;
    mention.grouped = !part;
    mention.read_prefix(text, free);
    if own.ordinal {
        mention.unit.measure = Measure::Rank;
        return is_rank(text, start, own.end).then_some(mention);
    }
    mention.read_units(text);
    if mention.unit.currency.is_none() && aside(text, start, own.end).is_some() {
        return None;
    }
    mention.read_age(text);
    let number = !counts_digits(text, own.end) && !mention.ends_inside(text, own.end);
    number.then_some(mention)
}

fn starts_digits(text: &[char], at: usize) -> bool {
    let bare_point = || {
        let inside = at > 0 && is(text, at - 1, |c| c.is_alphanumeric() || c == '.');
        is(text, at, |c| c == '.') && digit(text, at + 1) && !inside
    };
    digit(text, at) || bare_point()
}

fn digits_end(text: &[char], start: usize) -> usize {
    let mut end = start;
    let joins = |c: char| ",.'’".contains(c) || NARROW_SPACES.contains(c);
    while digit(text, end) || (is(text, end, joins) && digit(text, end + 1)) {
        end += 1;
    }
    if is(text, end, |c| c == 'e' || c == 'E') {
        let sign = usize::from(is(text, end + 1, |c| c == '+' || c == '-'));
        let exponent = end + 1 + sign;
        let len = (exponent..).take_while(|&i| digit(text, i)).count();
        if len > 0 && word_len(text, exponent + len) == 0 {
            return exponent + len;
        }
    }
    end
}

pub(super) fn word_len(text: &[char], start: usize) -> usize {
    text.iter().skip(start).take_while(|c| c.is_alphanumeric() || is_mark(**c)).count()
}

/// A sign that belongs to the letter before it, in the scripts of India and Thailand and in Latin
/// letters of two parts.
fn is_mark(c: char) -> bool {
    let code = c as u32;
    let indian = (0x900..0xd80).contains(&code) && [0x3c, 0x4d].contains(&(code & 0x7f));
    indian || matches!(c, '\u{300}'..='\u{36f}' | '\u{dca}' | '\u{e47}'..='\u{e4e}')
}

pub(super) fn word(text: &[char], start: usize, end: usize) -> String {
    text.get(start..end).unwrap_or_default().iter().collect()
}

/// Reads around the digits; nothing before `free` belongs to this number, and the other end of its
/// range, if it has one, is in this currency. Otherwise where to read on.
fn read(
    text: &[char],
    start: usize,
    end: usize,
    free: usize,
    shared: Option<Currency>,
) -> Result<Mention, usize> {
    let run = text.get(start..end).unwrap_or_default();
    let mut mention = Mention::new(start, end, Digits::of(run));
    let in_code = mention.read_prefix(text, free);
    mention.unit.currency = mention.unit.currency.or(shared);
    mention.read_spaced_groups(text, run);
    mention.grouped = matches!(mention.digits, Digits::Money(_) | Digits::Point { .. })
        || run.iter().any(|c| ",'’".contains(*c) || NARROW_SPACES.contains(*c));
    mention.read_chain(text);
    mention.read_powers(text);
    mention.read_fraction(text);
    let before = |n: usize| start.checked_sub(n).filter(|&i| i >= free).and_then(|i| text.get(i));
    let attached = before(1).is_some_and(|c| c.is_alphanumeric() && !is_spaceless(*c))
        && !takes_glued(text, start);
    let hyphenated = before(1).is_some_and(|c| "-‑_".contains(*c))
        && before(2).is_some_and(|c| c.is_alphanumeric());
    if (attached || hyphenated) && !in_code {
        return Err(mention.end + word_len(text, mention.end));
    }
    let number_end = mention.end;
    if mention.unit.currency.is_none()
        && number_end == end
        && let Some(end) = date(text, start, end).or_else(|| aside(text, start, end))
    {
        return Err(end);
    }
    if mention.read_ordinal(text) {
        let end = mention.end;
        if !is_rank(text, mention.start, end) {
            return Err(end);
        }
        mention.unit.measure = Measure::Rank;
        mention.end = mention.whole(text).map_or_else(|| of_all(text, end), |(_, end)| end);
        return Ok(mention);
    }
    mention.read_units(text);
    if counts_digits(text, mention.end) {
        return Err(mention.end);
    }
    if mention.ends_inside(text, number_end) {
        return Err(number_end + word_len(text, number_end));
    }
    // `in 2021 dollars`
    let of_year = run.len() == 4 && run.starts_with(&['2', '0']) && mention.start == start;
    if of_year
        && mention.unit.currency.is_some()
        && words_before(text, start, 1).first().is_some_and(|word| word == "in")
    {
        return Err(mention.end);
    }
    let bare = mention.end == end && mention.unit == Unit::default();
    mention.read_age(text);
    if bare && let Some(end) = year(text, run, mention.start, mention.end) {
        return Err(end);
    }
    Ok(mention)
}

/// Where `of 100` ends behind a rank, or the rank itself.
fn of_all(text: &[char], end: usize) -> usize {
    let (of, next) = word_at(text, skip_spaces(text, end));
    let all = skip_spaces(text, next);
    if of == "of" && digit(text, all) { digits_end(text, all) } else { end }
}

impl Mention {
    /// Notes that the number says how old something is.
    fn read_age(&mut self, text: &[char]) {
        match self.unit.measure {
            Measure::Lasting(_) => self.age = is_age(text, self.start, self.end),
            Measure::Plain if self.unit == Unit::default() => {
                if let Some(end) = abbreviated_age(text, self.end) {
                    (self.age, self.end) = (true, end);
                }
            }
            _ => {}
        }
    }

    /// Whether the number itself ends within a word, `2b` or `18-speed`.
    fn ends_inside(&self, text: &[char], number_end: usize) -> bool {
        let hyphen = is(text, number_end, |c| "-‑".contains(c));
        let letters = word_len(text, number_end) > 0 && !is(text, number_end, is_spaceless);
        let money = self.unit.currency.is_some();
        self.end == number_end
            && (letters || (hyphen && is(text, number_end + 1, char::is_alphabetic) && !money))
    }

    /// What is joined to the digits by other signs than a range's is no number: `24/7`, `12:30`,
    /// `12_400`. So is not what is measured against a whole: that is read with the units.
    fn read_chain(&mut self, text: &[char]) {
        loop {
            let joint = |c: char| {
                !c.is_alphanumeric()
                    && !c.is_whitespace()
                    && !"-–—−‑~…%$€£¥₹₩¢×^".contains(c)
                    && !NARROW_SPACES.contains(c)
            };
            // `$12,,400`; points alone join a range.
            let signs = (self.end..).take_while(|i| is(text, *i, |c| ".,".contains(c))).count();
            let doubled = signs > 1 && text.iter().skip(self.end).take(signs).any(|c| *c == ',');
            if doubled && digit(text, self.end + signs) {
                self.end = digits_end(text, self.end + signs);
                self.digits = Digits::Unreadable;
                continue;
            }
            let scale = self.unit.currency.is_none() && self.whole(text).is_some();
            if scale || !is(text, self.end, joint) || !digit(text, self.end + 1) {
                return;
            }
            self.end = digits_end(text, self.end + 1);
            self.digits = Digits::Unreadable;
        }
    }

    /// `× 10^4` and `^2` behind the digits.
    fn read_powers(&mut self, text: &[char]) {
        let exponent = |from: usize| {
            let brace = usize::from(is(text, from, |c| c == '{'));
            let sign = usize::from(is(text, from + brace, |c| c == '-' || c == '−'));
            let first = from + brace + sign;
            let len = (first..).take_while(|i| digit(text, *i)).count();
            let value: i32 = word(text, first, first + len).parse().ok()?;
            let value = if sign > 0 { -value } else { value };
            Some((value, first + len + usize::from(is(text, first + len, |c| c == '}'))))
        };
        let times = skip_spaces(text, self.end);
        let ten = skip_spaces(text, times + 1);
        let by_ten = is(text, times, |c| "×xX*·".contains(c))
            && word(text, ten, ten + 2) == "10"
            && is(text, ten + 2, |c| c == '^');
        if by_ten && let Some((power, end)) = exponent(ten + 3) {
            (self.power, self.end) = (power, end);
        } else if is(text, self.end, |c| c == '^')
            && let Some((_, end)) = exponent(self.end + 1)
        {
            (self.digits, self.end) = (Digits::Unreadable, end);
        }
    }

    /// `½`, and `and a half` behind a whole number.
    fn read_fraction(&mut self, text: &[char]) {
        let Digits::Sure(digits) = &mut self.digits else { return };
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return;
        }
        let part = |c: &char| match c {
            '½' => Some(".5"),
            '¼' => Some(".25"),
            '¾' => Some(".75"),
            _ => None,
        };
        let sign = skip_spaces(text, self.end);
        if let Some(part) = text.get(sign).and_then(part) {
            digits.push_str(part);
            self.end = sign + 1;
            return;
        }
        let (mut at, mut words) = (self.end, Vec::new());
        for _ in 0..3 {
            let (word, end) = word_at(text, skip_spaces(text, at));
            words.push(word);
            at = end;
        }
        let part = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["and", "a", "half"] => ".5",
            ["and", "a", "quarter"] => ".25",
            _ => return,
        };
        digits.push_str(part);
        self.end = at;
    }

    /// `42nd`
    fn read_ordinal(&mut self, text: &[char]) -> bool {
        let wrapped = word(text, self.end, self.end + 2) == "^{";
        let start = self.end + 2 * usize::from(wrapped);
        let (suffix, end) = word_at(text, start);
        let ordinal = ["st", "nd", "rd", "th"].contains(&suffix.as_str());
        if ordinal {
            self.end = end + usize::from(wrapped && is(text, end, |c| c == '}'));
        }
        ordinal
    }
}
