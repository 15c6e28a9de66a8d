//! What stands behind a number: its magnitude, currency, whole and period.

use super::cues::{digit, is, period_before, skip_spaces, word_at};
use super::currency::Currency;
use super::digits::Digits;
use super::doubt::money_at;
use super::magnitude::Magnitude;
use super::mention::{Mention, word, word_len};
use super::period::Period;
use super::unit::{Measure, Unit};

/// Where the whole begins behind `out of`.
fn out_of(text: &[char], at: usize) -> Option<usize> {
    behind_words(text, at, &["out", "of"])
}

/// Where the highest value begins in `on a scale of 1 to 10`.
fn on_a_scale(text: &[char], at: usize) -> Option<usize> {
    let lowest = ["of", "from"]
        .iter()
        .find_map(|word| behind_words(text, at, &["on", "a", "scale", word]))?;
    let end = lowest + (lowest..).take_while(|i| digit(text, *i)).count();
    let joint = skip_spaces(text, end);
    if is(text, joint, |c| "-–—".contains(c)) {
        return Some(skip_spaces(text, joint + 1)).filter(|_| end > lowest);
    }
    behind_words(text, end, &["to"]).filter(|_| end > lowest)
}

/// Where the text goes on behind these words.
fn behind_words(text: &[char], at: usize, words: &[&str]) -> Option<usize> {
    words.iter().try_fold(skip_spaces(text, at), |at, expected| {
        let (word, end) = word_at(text, at);
        (word == *expected).then(|| skip_spaces(text, end))
    })
}

impl Mention {
    pub(super) fn read_units(&mut self, text: &[char]) {
        while self.read_unit(text) {}
        self.read_marked_unit(text);
        self.doubt(text);
        if self.unit.currency.is_none()
            && self.unit.measure == Measure::Plain
            && let Some((whole, end)) = self.whole(text)
        {
            (self.unit.measure, self.end) = (Measure::OutOf(whole), end);
        }
        self.read_time(text);
        if matches!(self.unit.measure, Measure::Lasting(_)) {
            return;
        }
        self.read_period(text);
        if self.unit.period.is_none() && self.unit.currency.is_some() {
            self.unit.period = period_before(text, self.start);
        }
    }

    /// Hours, months or years of which the number says how many: `24 months`, `an 18-month
    /// sentence`.
    fn read_time(&mut self, text: &[char]) {
        if self.unit != Unit::default() || self.dozens {
            return;
        }
        let hyphen = is(text, self.end, |c| "-‑".contains(c));
        let start = if hyphen { self.end + 1 } else { skip_spaces(text, self.end) };
        let (noun, end) = word_at(text, start);
        let (behind, _) = word_at(text, skip_spaces(text, end));
        let sentence = ["sentence", "term", "prison", "jail", "custodial", "imprisonment"];
        if let Some(period) = Period::of_count(&noun)
            && (!hyphen || sentence.contains(&behind.as_str()))
        {
            (self.unit.measure, self.end) = (Measure::Lasting(period), end);
        }
    }

    /// The whole that the number is a part of, and where it ends: `/100`, `out of 100`.
    pub(super) fn whole(&self, text: &[char]) -> Option<(u32, usize)> {
        let value = self.value(self.power, None)?;
        let points = word_at(text, skip_spaces(text, self.end));
        let counted = ["point", "points", "place", "position"].contains(&points.0.as_str());
        let at = skip_spaces(text, if counted { points.1 } else { self.end });
        let bracket = usize::from(is(text, at, |c| c == '('));
        let (stroke, from) = if is(text, at, |c| c == '/') {
            (true, skip_spaces(text, at + 1))
        } else {
            (false, out_of(text, at + bracket).or_else(|| on_a_scale(text, at + bracket))?)
        };
        let len = (from..).take_while(|i| digit(text, *i)).count();
        let end = from + len;
        let whole = match word_at(text, from) {
            (word, _) if len > 0 => word.parse::<u32>().ok()?,
            (word, _) if !stroke && word == "ten" => 10,
            _ => return None,
        };
        let end = if len > 0 { end } else { word_at(text, from).1 };
        let end = end + bracket * usize::from(is(text, end, |c| c == ')'));
        // `/12` is a month or a part, `8/10/2024` a date, `9/10 of it` a part.
        let scale = !stroke || [10, 100, 1000].contains(&whole);
        let goes_on = is(text, end, |c| c == '/' || c.is_alphanumeric() || ".,".contains(c))
            && (!is(text, end, |c| ".,".contains(c)) || digit(text, end + 1));
        let (behind, _) = word_at(text, skip_spaces(text, end));
        let part = stroke && behind == "of";
        (scale && !goes_on && !part && (0.0..=f64::from(whole)).contains(&value))
            .then_some((whole, end))
    }

    /// Notes what the amount is for: `/month`, `per hour`, `a year`, `annually`, `pcm`, `p.a.`.
    fn read_period(&mut self, text: &[char]) {
        if self.unit.period.is_some() {
            return;
        }
        let at = skip_spaces(text, self.end);
        let stroke = is(text, at, |c| c == '/');
        let first_start = if stroke { skip_spaces(text, at + 1) } else { at };
        let (first, first_end) = word_at(text, first_start);
        let found = if stroke {
            Period::of_noun(&first)
                .or_else(|| Period::of_adverb(&first))
                .map(|own| (own, first_end))
        } else {
            self.spoken_period(text, &first, first_end)
                .or_else(|| self.lettered_period(text, first_start))
        };
        if let Some((period, end)) = found {
            (self.unit.period, self.end) = (Some(period), end);
        }
    }

    fn spoken_period(&self, text: &[char], first: &str, end: usize) -> Option<(Period, usize)> {
        if let Some(period) = Period::of_adverb(first) {
            return Some((period, end));
        }
        let hyphen = usize::from(is(text, end, |c| "-‑".contains(c)));
        let (second, second_end) = word_at(text, skip_spaces(text, end + hyphen));
        if ["bi", "semi"].contains(&first) {
            return Some((Period::of_adverb(&second)?.with_prefix(first), second_end));
        }
        if !["per", "a", "an", "each", "every", "pro", "im", "par", "por", "al"].contains(&first) {
            return None;
        }
        let named = Period::of_noun(&second).filter(|_| second.len() > 1 || first == "per");
        let (third, third_end) = word_at(text, skip_spaces(text, second_end));
        match (second.as_str(), third.as_str()) {
            ("two" | "2" | "other", "weeks" | "week") if first != "a" => {
                Some((Period::Fortnight, third_end))
            }
            ("calendar" | "working" | "work", _) => Some((Period::of_noun(&third)?, third_end)),
            _ => named.map(|period| (period, second_end)),
        }
    }

    /// `pcm`, `p.a.`, `p/w`, behind money.
    fn lettered_period(&self, text: &[char], start: usize) -> Option<(Period, usize)> {
        self.unit.currency.filter(|_| is(text, start, |c| "pP".contains(c)))?;
        let (mut letters, mut end) = (String::new(), start);
        while let Some(c) = text.get(end) {
            let point = "./".contains(*c) && !letters.is_empty();
            if c.is_ascii_alphabetic() {
                letters.push(c.to_ascii_lowercase());
            } else if !point {
                break;
            }
            end += 1;
        }
        let point = is(text, end - 1, |c| c == '.') && letters.len() + 1 == end - start;
        Some((Period::of_letters(&letters)?, end - usize::from(point)))
    }

    /// Moves `end` over one unit: a currency, a percent sign or a magnitude.
    fn read_unit(&mut self, text: &[char]) -> bool {
        let next = skip_spaces(text, self.end);
        let sign = text.get(next).copied().unwrap_or(' ');
        if sign == '%' {
            (self.end, self.unit.measure) = (next + 1, Measure::Percent);
            return true;
        }
        if sign == '‰' {
            (self.end, self.digits) = (next + 1, Digits::Unreadable);
            return true;
        }
        if let Some(power) = Magnitude::of_sign(sign).filter(|_| next == self.end) {
            (self.end, self.power) = (next + 1, self.power.saturating_add(power));
            return true;
        }
        if sign == '¢' {
            self.read_cents(next + 1);
            return true;
        }
        if let Some(currency) = Currency::of_sign(sign) {
            let own = !digit(text, skip_spaces(text, next + 1));
            if own {
                (self.end, self.unit.currency) = (next + 1, Some(currency));
            }
            return own;
        }
        let attached = next == self.end;
        let start = next + usize::from(attached && is(text, next, |c| "-‑".contains(c)));
        let end = start + word_len(text, start);
        let exact = word(text, start, end);
        self.read_unit_word(text, &exact, attached, end)
    }

    fn read_cents(&mut self, end: usize) {
        (self.end, self.power) = (end, self.power.saturating_sub(2));
        self.unit.currency = self.unit.currency.or(Some(Currency::Unsaid));
    }

    fn read_unit_word(&mut self, text: &[char], exact: &str, attached: bool, end: usize) -> bool {
        let lower = exact.to_lowercase();
        let money = self.unit.currency.is_some();
        match Magnitude::of(exact, attached, money) {
            Some(Magnitude::Power(power)) => {
                self.power = self.power.saturating_add(power);
                if lower == "lpa" {
                    self.unit.period = Some(Period::Year);
                    self.unit.currency = self.unit.currency.or(Some(Currency::Rupee));
                }
                // The point of an abbreviation: `3.4 cr.`, `1,4 Mio. €`.
                let point = is(text, end, |c| c == '.')
                    && is(text, skip_spaces(text, end + 1), |c| c.is_lowercase() || c == '€');
                self.end = end + usize::from(point);
                return true;
            }
            Some(Magnitude::Dozen) => {
                (self.end, self.dozens) = (end, true);
                return true;
            }
            // `bi-weekly`
            Some(Magnitude::Unclear)
                if lower == "bi"
                    && (is(text, end, |c| "-‑".contains(c))
                        || word_at(text, skip_spaces(text, end)).0.ends_with("ly")) => {}
            Some(Magnitude::Unclear) => {
                (self.end, self.digits) = (end, Digits::Unreadable);
                return true;
            }
            None => {}
        }
        if ["cent", "cents", "pence"].contains(&lower.as_str()) {
            self.read_cents(end);
            return true;
        }
        let start = end - exact.chars().count();
        if let Some((currency, end)) = money_at(text, start).filter(|_| end > start) {
            (self.end, self.unit.currency) = (end, self.unit.currency.or(Some(currency)));
            return true;
        }
        let basis = lower == "basis" && word_at(text, skip_spaces(text, end)).0 == "points";
        if basis || ["bps", "bp"].contains(&lower.as_str()) {
            (self.end, self.digits) = (end, Digits::Unreadable);
            return true;
        }
        if exact == "T" && is(text, end, |c| c == '€') {
            (self.end, self.power) = (end, self.power.saturating_add(3));
            return true;
        }
        // `45 kEUR`
        let thousands = exact.strip_prefix(['k', 'K', 'T']).and_then(Currency::of_code);
        if let Some(currency) = thousands.filter(|_| exact.chars().skip(1).all(char::is_uppercase))
        {
            (self.end, self.unit.currency) = (end, Some(currency));
            self.power = self.power.saturating_add(3);
            return true;
        }
        if lower == "ish" && attached {
            self.end = end;
            return true;
        }
        let percent = match lower.as_str() {
            "percent" | "pct" => Some(end),
            "per" => Some(word_at(text, skip_spaces(text, end)))
                .filter(|(next, _)| next == "cent")
                .map(|(_, end)| end),
            _ => None,
        };
        if let Some(end) = percent {
            (self.end, self.unit.measure) = (end, Measure::Percent);
        }
        percent.is_some()
    }
}
