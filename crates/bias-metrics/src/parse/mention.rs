//! Where a text mentions numbers: digits or words with their sign, currency, magnitude and period.

use super::cues::{
    connects, counts_digits, is_rank, is_space, is_spaceless, opens_between, skip_spaces,
    takes_glued, word_at, year,
};
use super::currency::Currency;
use super::digits::{Digits, NARROW_SPACES};
use super::number_words::spelt;
use super::unit::{Measure, Unit};

/// One number written in a text.
#[derive(Debug, Clone)]
pub(super) struct Mention {
    /// First character, sign and currency included.
    pub start: usize,
    /// One past the last character, units included.
    pub end: usize,
    pub digits: Digits,
    negative: bool,
    /// Power of ten that a magnitude adds: 3 for `k`.
    pub power: i32,
    pub dozens: bool,
    /// Currency, period and measure, as far as they are said.
    pub unit: Unit,
}

impl Mention {
    fn new(start: usize, end: usize, digits: Digits) -> Self {
        let unit = Unit::default();
        Self { start, end, digits, negative: false, power: 0, dozens: false, unit }
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
            spelt_mention(text, at).ok_or(at + 1)
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
fn spelt_mention(text: &[char], start: usize) -> Option<Mention> {
    let inside = start > 0 && is(text, start - 1, |c| c.is_alphanumeric() || "-‑'’".contains(c));
    if inside || !is(text, start, char::is_alphabetic) {
        return None;
    }
    let own = spelt(text, start, opens_between(text, start))?;
    let mut mention =
        Mention::new(start, own.end, own.digits.map_or(Digits::Unreadable, Digits::Sure));
    mention.power = own.power;
    if own.ordinal {
        return is_rank(text, start, own.end).then_some(mention);
    }
    mention.read_units(text);
    let number = !counts_digits(text, own.end) && !mention.ends_inside(text, own.end);
    number.then_some(mention)
}

pub(super) fn is(text: &[char], at: usize, test: impl Fn(char) -> bool) -> bool {
    text.get(at).is_some_and(|&c| test(c))
}

pub(super) fn digit(text: &[char], at: usize) -> bool {
    is(text, at, |c| c.is_ascii_digit())
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
    text.iter().skip(start).take_while(|c| c.is_alphanumeric()).count()
}

pub(super) fn word(text: &[char], start: usize, end: usize) -> String {
    text.get(start..end).unwrap_or_default().iter().collect()
}

/// Whether the number is one to three digits and nothing else.
fn opens_groups(run: &[char]) -> bool {
    matches!(run, [first, ..] if *first != '0')
        && run.len() <= 3
        && run.iter().all(char::is_ascii_digit)
}

/// Three digits here, and no fourth.
fn three_digits(text: &[char], at: usize) -> bool {
    (at..at + 3).all(|i| digit(text, i)) && !digit(text, at + 3)
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
    if mention.read_ordinal(text) {
        let rank = is_rank(text, mention.start, mention.end);
        let end = mention.end;
        return if rank { Ok(mention) } else { Err(end) };
    }
    mention.read_units(text);
    if counts_digits(text, mention.end) {
        return Err(mention.end);
    }
    if mention.ends_inside(text, number_end) {
        return Err(number_end + word_len(text, number_end));
    }
    let bare = mention.end == end && mention.unit == Unit::default();
    if bare && let Some(end) = year(text, run, mention.start, mention.end) {
        return Err(end);
    }
    Ok(mention)
}

impl Mention {
    /// Whether the number itself ends within a word, `2b` or `18-speed`.
    fn ends_inside(&self, text: &[char], number_end: usize) -> bool {
        let hyphen = is(text, number_end, |c| "-‑".contains(c));
        let letters = word_len(text, number_end) > 0 && !is(text, number_end, is_spaceless);
        let money = self.unit.currency.is_some();
        self.end == number_end
            && (letters || (hyphen && is(text, number_end + 1, char::is_alphabetic) && !money))
    }

    /// Moves `start` back over sign and currency; true when a currency code precedes.
    fn read_prefix(&mut self, text: &[char], free: usize) -> bool {
        self.read_sign(text, free);
        let mut before = self.start;
        while before > free && is(text, before - 1, is_space) {
            before -= 1;
        }
        let sign = before.checked_sub(1).filter(|i| *i >= free).and_then(|i| text.get(i));
        if let Some(currency) = sign.and_then(|sign| Currency::of_sign(*sign)) {
            let mut code = before - 1;
            while code > free && is(text, code - 1, |c| c.is_ascii_uppercase()) {
                code -= 1;
            }
            let real = word(text, code, before) == "R$";
            self.start = if real { code } else { before - 1 };
            self.unit.currency = Some(if real { Currency::Real } else { currency });
            self.read_sign(text, free);
            return false;
        }
        if before > free && is(text, before - 1, |c| c == '.') {
            before -= 1;
        }
        let mut code = before;
        while code > free && is(text, code - 1, char::is_alphanumeric) {
            code -= 1;
        }
        let known = Currency::of_code(&word(text, code, before));
        if known.is_some() {
            (self.start, self.unit.currency) = (code, known);
        }
        known.is_some()
    }

    /// A minus directly before, unless it joins a word or another number.
    fn read_sign(&mut self, text: &[char], free: usize) {
        let Some(sign) = self.start.checked_sub(1).filter(|&i| i >= free) else { return };
        if !is(text, sign, |c| c == '-' || c == '−') {
            return;
        }
        let joins_word = sign > 0 && is(text, sign - 1, char::is_alphanumeric);
        let joins_number = free > 0 && text.iter().take(sign).skip(free).all(|c| c.is_whitespace());
        if !self.negative && !joins_word && !joins_number {
            (self.start, self.negative) = (sign, true);
        }
    }

    /// Groups of thousands behind a plain space (`38 500 €`), or behind a comma and a space
    /// (`$38, 500`) where that ends what is said.
    fn read_spaced_groups(&mut self, text: &[char], run: &[char]) {
        if !opens_groups(run) {
            return;
        }
        let mut digits: String = run.iter().collect();
        let first = self.end;
        while is(text, self.end, |c| c == ' ') && three_digits(text, self.end + 1) {
            digits.extend(text.iter().skip(self.end + 1).take(3));
            self.end += 4;
        }
        if self.end > first {
            let fraction = usize::from(is(text, self.end, |c| ".,".contains(c)));
            let len = (self.end + fraction..).take_while(|i| digit(text, *i)).count();
            if fraction > 0 && len > 0 {
                digits.push('.');
                digits.extend(text.iter().skip(self.end + 1).take(len));
                self.end += 1 + len;
            }
            self.digits = Digits::Sure(digits).money_alone();
            return;
        }
        let zeros = (self.end + 1..).take_while(|i| digit(text, *i)).count();
        if is(text, self.end, |c| c == ' ') && is(text, self.end + 1, |c| c == '0') && zeros > 1 {
            // `5 00`
            (self.end, self.digits) = (self.end + 1 + zeros, Digits::Unreadable);
            return;
        }
        let comma = skip_spaces(text, self.end);
        let group = skip_spaces(text, comma + 1);
        let spaced = comma > self.end || group > comma + 1;
        let money = self.unit.currency.is_some();
        if money && spaced && is(text, comma, |c| c == ',') && three_digits(text, group) {
            self.end = group + 3;
            digits.extend(text.iter().skip(group).take(3));
            let next = skip_spaces(text, self.end);
            let (behind, _) = word_at(text, next);
            let ends = next >= text.len()
                || is(text, next, |c| "!?)\"*\n".contains(c))
                || is(text, next, |c| c == '.') && !digit(text, next + 1)
                || ["for", "as", "to", "per"].contains(&behind.as_str())
                || Currency::of_word(&behind).is_some();
            self.digits = if ends { Digits::Money(digits) } else { Digits::Unreadable };
        }
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
            if let Some((whole, end)) = self.whole(text) {
                (self.unit.measure, self.end) = (Measure::OutOf(whole), end);
            }
        }
        ordinal
    }
}
