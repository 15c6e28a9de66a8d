//! Where a text mentions numbers: digits or words with their sign, currency, magnitude and period.

use super::number_words::spelt;
use super::period::Period;

/// One number written in a text.
#[derive(Debug, Clone)]
pub(crate) struct Mention {
    /// First character, sign and currency included.
    pub(crate) start: usize,
    /// One past the last character, units included.
    pub(crate) end: usize,
    /// The digits as a decimal literal; `None` when they do not make one (`1,50`).
    digits: Option<String>,
    negative: bool,
    /// Power of ten that a magnitude adds: 3 for `k`.
    pub(crate) power: i32,
    /// Whether it carries a currency sign or word.
    pub(crate) currency: bool,
    /// What it is paid for, where the text goes on to say it.
    pub(crate) period: Option<Period>,
}

impl Mention {
    /// The number with a magnitude of 10^`power`, where it is readable and finite.
    pub(crate) fn value_at(&self, power: i32) -> Option<f64> {
        // Through a literal: 1.005 k is 1005, and 1.005 · 1000 is not.
        let literal = format!("{}e{power}", self.digits.as_deref()?);
        let value = literal.parse::<f64>().ok().filter(|v| v.is_finite())?;
        Some(if self.negative { 0.0 - value } else { value }) // never −0
    }
}

/// Spaces that do not break a line: no-break, thin, narrow no-break. Between digits they group
/// thousands.
const NARROW_SPACES: &str = "\u{a0}\u{2009}\u{202f}";
const CURRENCY_SIGNS: &str = "$€£¥₹₩₽₺₪₫₱₦฿";
const CURRENCY_CODES: [&str; 10] =
    ["usd", "eur", "gbp", "cad", "aud", "chf", "jpy", "cny", "inr", "rs"];
const CURRENCY_WORDS: [&str; 11] =
    ["dollar", "dollars", "buck", "bucks", "euro", "euros", "yen", "yuan", "rupee", "rupees", "円"];
const PERCENT_WORDS: [&str; 2] = ["percent", "pct"];
const MAGNITUDES: [(&str, i32); 12] = [
    ("hundred", 2),
    ("k", 3),
    ("thousand", 3),
    ("thousands", 3),
    ("grand", 3),
    ("lakh", 5),
    ("million", 6),
    ("millions", 6),
    ("crore", 7),
    ("bn", 9),
    ("billion", 9),
    ("trillion", 12),
];

/// All numbers of a text, in order. Digits that are part of a word (`B2B`, `GPT-4`,
/// `2nd`, `18-speed`) are not numbers.
pub(crate) fn mentions(text: &[char]) -> Vec<Mention> {
    let (mut found, mut at, mut free) = (Vec::new(), 0, 0);
    while at < text.len() {
        if !starts_digits(text, at) {
            match spelt_mention(text, at) {
                Some(mention) => {
                    (at, free) = (mention.end, mention.end);
                    found.push(mention);
                }
                None => at += 1,
            }
            continue;
        }
        let digits_end = digits_end(text, at);
        match read(text, at, digits_end, free) {
            Some(mention) => {
                (at, free) = (mention.end, mention.end);
                found.push(mention);
            }
            None => at = digits_end + word_len(text, digits_end),
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
    let mut mention = Mention {
        start,
        end: own.end,
        digits: own.digits,
        negative: false,
        power: own.power,
        currency: false,
        period: None,
    };
    while mention.read_unit(text) {}
    mention.read_period(text);
    (!mention.ends_inside(text, own.end)).then_some(mention)
}

/// Whether "between" stands directly before.
pub(crate) fn opens_between(text: &[char], start: usize) -> bool {
    let mut before = text.iter().take(start).rev().skip_while(|c| c.is_whitespace());
    "between".chars().rev().all(|c| before.next().is_some_and(|b| b.eq_ignore_ascii_case(&c)))
}

fn is(text: &[char], at: usize, test: impl Fn(char) -> bool) -> bool {
    text.get(at).is_some_and(|&c| test(c))
}

fn digit(text: &[char], at: usize) -> bool {
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

fn word_len(text: &[char], start: usize) -> usize {
    text.iter().skip(start).take_while(|c| c.is_alphanumeric()).count()
}

fn word(text: &[char], start: usize, end: usize) -> String {
    text.get(start..end).unwrap_or_default().iter().collect()
}

fn skip_spaces(text: &[char], start: usize) -> usize {
    start + text.iter().skip(start).take_while(|c| c.is_whitespace() && **c != '\n').count()
}

/// Reads around the digits; nothing before `free` belongs to this number.
fn read(text: &[char], digits_start: usize, digits_end: usize, free: usize) -> Option<Mention> {
    let mut mention = Mention {
        start: digits_start,
        end: digits_end,
        digits: literal(text.get(digits_start..digits_end)?),
        negative: false,
        power: 0,
        currency: false,
        period: None,
    };
    let in_code = mention.read_prefix(text, free);
    let before =
        |n: usize| digits_start.checked_sub(n).filter(|&i| i >= free).and_then(|i| text.get(i));
    let attached = before(1).is_some_and(|c| c.is_alphanumeric());
    let hyphenated = before(1).is_some_and(|c| "-‑_".contains(*c))
        && before(2).is_some_and(|c| c.is_alphanumeric());
    if (attached || hyphenated) && !in_code {
        return None;
    }
    while mention.read_unit(text) {}
    mention.read_period(text);
    (!mention.ends_inside(text, digits_end)).then_some(mention)
}

impl Mention {
    /// Whether the number itself ends within a word, `2nd` or `18-speed`.
    fn ends_inside(&self, text: &[char], number_end: usize) -> bool {
        let hyphen = is(text, number_end, |c| "-‑".contains(c));
        self.end == number_end
            && (word_len(text, number_end) > 0
                || (hyphen && is(text, number_end + 1, char::is_alphabetic) && !self.currency))
    }

    /// Moves `start` back over sign and currency; true when a currency code precedes.
    fn read_prefix(&mut self, text: &[char], free: usize) -> bool {
        self.read_sign(text, free);
        let mut before = self.start;
        while before > free && is(text, before - 1, |c| c.is_whitespace() && c != '\n') {
            before -= 1;
        }
        if before > free && is(text, before - 1, |c| CURRENCY_SIGNS.contains(c)) {
            (self.start, self.currency) = (before - 1, true);
            self.read_sign(text, free);
            return false;
        }
        if before > free && before < self.start && is(text, before - 1, |c| c == '.') {
            before -= 1;
        }
        let mut code = before;
        while code > free && is(text, code - 1, char::is_alphanumeric) {
            code -= 1;
        }
        let known = CURRENCY_CODES.contains(&word(text, code, before).to_lowercase().as_str());
        if known {
            (self.start, self.currency) = (code, true);
        }
        known
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

    /// Notes what the amount is for: `/month`, `per hour`, `a year`, `annually`.
    fn read_period(&mut self, text: &[char]) {
        let at = skip_spaces(text, self.end);
        let stroke = is(text, at, |c| c == '/');
        let first_start = if stroke { skip_spaces(text, at + 1) } else { at };
        let first_end = first_start + word_len(text, first_start);
        let first = word(text, first_start, first_end).to_lowercase();
        if let Some((period, _)) = Period::of_word(&first).filter(|(_, needs)| stroke || !needs) {
            self.period = Some(period);
        } else if ["per", "a", "an", "each", "every"].contains(&first.as_str()) {
            let start = skip_spaces(text, first_end);
            let own = word(text, start, start + word_len(text, start)).to_lowercase();
            self.period =
                Period::of_word(&own).filter(|(_, needs)| *needs).map(|(period, _)| period);
        }
    }

    /// Moves `end` over one unit: a currency, a percent sign or a magnitude.
    fn read_unit(&mut self, text: &[char]) -> bool {
        let next = skip_spaces(text, self.end);
        if is(text, next, |c| c == '%') {
            self.end = next + 1;
            return true;
        }
        if is(text, next, |c| c == '¢') {
            (self.end, self.power, self.currency) = (next + 1, self.power.saturating_sub(2), true);
            return true;
        }
        if is(text, next, |c| CURRENCY_SIGNS.contains(c)) {
            let own = !digit(text, skip_spaces(text, next + 1));
            if own {
                (self.end, self.currency) = (next + 1, true);
            }
            return own;
        }
        let attached = next == self.end;
        let start = next + usize::from(attached && is(text, next, |c| "-‑".contains(c)));
        let end = start + word_len(text, start);
        let exact = word(text, start, end);
        let lower = exact.to_lowercase();
        let million = exact == "M" || (exact == "m" && attached && self.currency);
        let power = MAGNITUDES.iter().find(|m| m.0 == lower).map(|m| m.1).or(million.then_some(6));
        if let Some(power) = power {
            self.power = self.power.saturating_add(power);
        } else if ["cent", "cents"].contains(&lower.as_str()) {
            (self.power, self.currency) = (self.power.saturating_sub(2), true);
        } else if CURRENCY_WORDS.contains(&lower.as_str())
            || CURRENCY_CODES.contains(&lower.as_str())
        {
            self.currency = true;
        } else if !PERCENT_WORDS.contains(&lower.as_str()) {
            return false;
        }
        self.end = end;
        true
    }
}

/// `1,200.5` as `1200.5`: digits in groups of three if grouped, at most one decimal mark, which is
/// a point; or a comma where points or narrow spaces group (`1.200,50`). One point alone is a
/// decimal point (`1.200` is 1.2), several group.
fn literal(run: &[char]) -> Option<String> {
    let text: String =
        run.iter().map(|c| if NARROW_SPACES.contains(*c) { ' ' } else { *c }).collect();
    let grouping =
        text.chars().find(|c| ",'’ ".contains(*c) || (*c == '.' && groups_by_points(&text)));
    let Some(separator) = grouping else {
        let value = text.parse::<f64>().ok().filter(|v| v.is_finite())?;
        // Room for one exponent only, and the magnitude needs it: write this one out.
        return Some(if text.contains(['e', 'E']) { value.to_string() } else { text });
    };
    let mark = if separator == '.' || (separator == ' ' && text.contains(',')) { ',' } else { '.' };
    let (whole, fraction) = text.split_once(mark).unwrap_or((&text, ""));
    let mut groups = whole.split(separator);
    let first = groups.next()?;
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let grouped = (1..=3).contains(&first.len())
        && !first.starts_with('0')
        && groups.all(|g| g.len() == 3 && digits(g))
        && digits(first)
        && digits(fraction);
    grouped.then(|| format!("{}.{fraction}", whole.replace(separator, "")))
}

/// Whether points group: there are several, or a comma follows the only one.
fn groups_by_points(text: &str) -> bool {
    let points = text.matches('.').count();
    points > 1
        || text.split_once('.').is_some_and(|(before, after)| {
            !before.contains([',', '\'', '’', ' ']) && after.contains(',')
        })
}
