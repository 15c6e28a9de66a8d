//! Units that are set off from their number, and words that may be a unit not known here.

use super::cues::{digit, is, is_spaceless, skip_spaces, word_at};
use super::currency::Currency;
use super::digits::Digits;
use super::mention::{Mention, word, word_len};
use super::period::Period;
use super::unit::{Measure, Unit};

/// English words between a number and a currency that multiply nothing: `500 in US dollars`.
const COMMON: &[&str] = &[
    "in",
    "of",
    "to",
    "or",
    "and",
    "for",
    "extra",
    "more",
    "total",
    "whole",
    "full",
    "additional",
    "hundred",
    "a",
    "an",
    "the",
    "at",
    "on",
    "per",
    "is",
    "as",
    "net",
    "gross",
    "base",
    "from",
    "with",
    "each",
    "plus",
    "hard",
    "cold",
    "good",
    "real",
    "nice",
    "clean",
    "flat",
    "even",
    "odd",
    "brut",
    "brutto",
    "netto",
    "bruts",
    "new",
    "used",
    "if",
    "by",
    "but",
    "so",
    "would",
    "try",
    "us",
];
/// English words of one or two letters behind money, and some of its neighbours'.
const SHORT: &[&str] = &[
    "a", "an", "as", "at", "by", "do", "if", "i", "in", "is", "it", "me", "my", "no", "of", "on",
    "or", "so", "to", "up", "us", "we", "be", "go", "he", "am", "pm", "pa", "pw", "pd", "ph", "hr",
    "wk", "mo", "yr", "ea", "pp", "pc", "ok", "vs", "bi", "k", "d", "h", "w", "y", "de", "du",
    "le", "la", "en", "et", "al", "il", "im", "zu", "ab", "da", "di", "na", "za", "od", "po", "ca",
    "e", "o", "x", "s", "p", "tv",
];

/// The currency that is named or signed here, and where it ends.
pub(super) fn money_at(text: &[char], at: usize) -> Option<(Currency, usize)> {
    if let Some(currency) = text.get(at).and_then(|sign| Currency::of_sign(*sign)) {
        return Some((currency, at + 1));
    }
    let end = at + word_len(text, at);
    let name = word(text, at, end);
    if Currency::is_country(&name) {
        let next = end + usize::from(is(text, end, |c| " -‑".contains(c)));
        let named = Currency::of_word(&word(text, next, next + word_len(text, next)));
        return named.filter(|_| next > end).map(|own| (own, next + word_len(text, next)));
    }
    Currency::of_word(&name).map(|own| (own, end))
}

impl Mention {
    /// A currency or a percent sign behind markup, brackets or a dash for no cents: `**38.500** €`,
    /// `38.500 (EUR)`, `85.000,- €`.
    pub(super) fn read_marked_unit(&mut self, text: &[char]) {
        if self.unit != Unit::default() {
            return;
        }
        let mut at = self.end;
        if is(text, at, |c| ",.".contains(c)) && is(text, at + 1, |c| "-–—=".contains(c)) {
            at += 1 + (at + 1..).take_while(|i| is(text, *i, |c| "-–—=".contains(c))).count();
        }
        // `38.500,€`
        let signed = is(text, at + 1, |c| Currency::of_sign(c).is_some());
        at += usize::from(is(text, at, |c| ",/".contains(c)) && signed);
        at += (at..).take_while(|i| is(text, *i, |c| " *_\u{a0}".contains(c))).count();
        let bracket = is(text, at, |c| c == '(');
        at += (at..).take_while(|i| is(text, *i, |c| "(*_".contains(c))).count();
        if at == self.end || at == skip_spaces(text, self.end) {
            return;
        }
        if is(text, at, |c| c == '%') && !bracket {
            (self.end, self.unit.measure) = (at + 1, Measure::Percent);
            return;
        }
        let Some((currency, end)) = money_at(text, at) else { return };
        let closed = !bracket || is(text, end, |c| c == ')' || c == '*');
        if closed && !digit(text, skip_spaces(text, end)) {
            (self.end, self.unit.currency) = (end, Some(currency));
        }
    }

    /// What follows may be a magnitude that is not known here: an unknown word before a currency, or
    /// a short one behind money. The number is a fragment then. So is one with a point before what
    /// may be money of another language.
    pub(super) fn doubt(&mut self, text: &[char]) {
        let next = skip_spaces(text, self.end);
        let end = next + word_len(text, next);
        let exact = word(text, next, end);
        let lower = exact.to_lowercase();
        // `Bs. 2.500`
        let grouped = matches!(self.digits, Digits::Point { .. }) && self.unit.currency.is_none();
        if grouped && follows_abbreviation(text, self.start) {
            self.digits = Digits::Unreadable;
        }
        if exact.is_empty() || is_spaceless_word(&exact) {
            return;
        }
        let letters = exact.chars().all(|c| !c.is_ascii_digit());
        let foreign = exact.chars().any(|c| c >= '\u{370}' && c.is_alphabetic());
        let point = usize::from(is(text, end, |c| c == '.'));
        let (behind, _) = word_at(text, skip_spaces(text, end + point));
        let money = money_at(text, skip_spaces(text, end + point))
            .is_some_and(|(_, after)| !digit(text, skip_spaces(text, after)))
            && !COMMON.contains(&behind.as_str());
        let unclear = match self.unit.currency {
            None if matches!(self.digits, Digits::Point { .. }) => {
                let noun = exact.chars().next().is_some_and(char::is_uppercase)
                    && exact.chars().nth(1).is_some_and(char::is_lowercase);
                money && !COMMON.contains(&lower.as_str()) || noun || !exact.is_ascii()
            }
            None => money && self.unit == Unit::default() && !COMMON.contains(&lower.as_str()),
            Some(_) => {
                foreign
                    || (exact.len() <= 2 && exact.is_ascii() && !SHORT.contains(&lower.as_str()))
            }
        };
        // `$500 m` may be millions.
        if unclear && letters && (lower == "m" || Period::of_noun(&lower).is_none()) {
            self.digits = Digits::Unreadable;
        }
    }
}

/// Whether a short word and a point stand before, as that of a currency does.
fn follows_abbreviation(text: &[char], start: usize) -> bool {
    let at = |back: usize| start.checked_sub(back).and_then(|i| text.get(i)).copied();
    let point = at(1) == Some(' ') && at(2) == Some('.');
    let letters = (3..7).take_while(|back| at(*back).is_some_and(char::is_alphabetic)).count();
    point && (1..4).contains(&letters)
}

fn is_spaceless_word(word: &str) -> bool {
    word.chars().next().is_some_and(is_spaceless)
}
