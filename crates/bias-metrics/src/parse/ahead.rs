//! What stands before a number: its sign and its currency.

use super::cues::{is, is_space};
use super::currency::Currency;
use super::mention::{Mention, word};

impl Mention {
    /// Moves `start` back over sign and currency; true when a currency code precedes.
    pub(super) fn read_prefix(&mut self, text: &[char], free: usize) -> bool {
        self.read_sign(text, free);
        let mut before = self.start;
        while before > free && is(text, before - 1, is_space) {
            before -= 1;
        }
        // `€ **38.500**`, `EUR: 38.500`
        let marks = |c: char| is_space(c) || "*_:".contains(c);
        let mut marked = before;
        while marked > free && is(text, marked - 1, marks) {
            marked -= 1;
        }
        marked -=
            usize::from(marked < before && marked > free + 1 && is(text, marked - 1, |c| c == ')'));
        let closes = marked > free
            && (is(text, marked - 1, |c| Currency::of_sign(c).is_some())
                || Currency::of_code(&word_before(text, marked)).is_some());
        if marked < before && closes {
            before = marked;
        }
        if before > free + 1 && word(text, before - 2, before) == "S/" {
            (self.start, self.unit.currency) = (before - 2, Some(Currency::Sol));
            return true;
        }
        let sign = before.checked_sub(1).filter(|i| *i >= free).and_then(|i| text.get(i));
        if let Some(currency) = sign.and_then(|sign| Currency::of_sign(*sign)) {
            let mut code = before - 1;
            while code > free && is(text, code - 1, |c| c.is_ascii_uppercase()) {
                code -= 1;
            }
            let real = word(text, code, before) == "R$";
            self.start = if real { code } else { before - 1 };
            // `k€ 12`
            if matches!(word_before(text, before - 1).as_str(), "k" | "K") && before > free + 1 {
                (self.start, self.power) = (before - 2, self.power.saturating_add(3));
            }
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
            return self.read_spoken_sign(text, free);
        }
        let joins_word = sign > 0 && is(text, sign - 1, char::is_alphanumeric);
        let joins_number = free > 0 && text.iter().take(sign).skip(free).all(|c| c.is_whitespace());
        if !self.negative && !joins_word && !joins_number {
            (self.start, self.negative) = (sign, true);
        }
    }

    /// `minus 500`, `negative $500`; but not between two numbers.
    fn read_spoken_sign(&mut self, text: &[char], free: usize) {
        let end =
            (free..self.start).rev().find(|i| !is(text, *i, is_space)).map_or(free, |i| i + 1);
        let first = (free..end).rev().take_while(|i| is(text, *i, char::is_alphabetic)).last();
        let Some(first) = first.filter(|_| end < self.start) else { return };
        let said = word(text, first, end).to_lowercase();
        if self.negative || !["minus", "negative"].contains(&said.as_str()) {
            return;
        }
        let between = free > 0 && text.iter().take(first).skip(free).all(|c| c.is_whitespace());
        if !between {
            (self.start, self.negative) = (first, true);
        }
    }
}

/// The letters and digits that end here.
fn word_before(text: &[char], end: usize) -> String {
    let first = (0..end).rev().take_while(|i| is(text, *i, char::is_alphanumeric)).last();
    word(text, first.unwrap_or(end), end)
}
