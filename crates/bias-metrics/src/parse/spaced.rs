//! Thousands that are grouped by plain spaces, as those of money are.

use super::cues::{digit, is, skip_spaces, word_at, words_before};
use super::currency::Currency;
use super::digits::Digits;
use super::mention::Mention;

/// Words before a number that counts what follows.
const COUNTING: [&str; 8] = ["the", "room", "buy", "these", "those", "all", "sell", "option"];

impl Mention {
    /// Groups of thousands behind a plain space (`38 500 €`), or behind a comma and a space
    /// (`$38, 500`) where that ends what is said.
    pub(super) fn read_spaced_groups(&mut self, text: &[char], run: &[char]) {
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
            let (noun, noun_end) = word_at(text, skip_spaces(text, self.end));
            let thing =
                noun == "dollar" && is(text, skip_spaces(text, noun_end), char::is_alphabetic);
            let before = words_before(text, self.start, 1);
            let counted = before.first().is_some_and(|word| COUNTING.contains(&word.as_str()));
            // `I'd buy 2 300 dollar bikes`, `of the 3 500 € is best`
            self.digits = if run.len() == 1 && (thing || counted) {
                Digits::Unreadable
            } else {
                Digits::Sure(digits).money_alone()
            };
            return;
        }
        let zeros = (self.end + 1..).take_while(|i| digit(text, *i)).count();
        if is(text, self.end, |c| c == ' ') && is(text, self.end + 1, |c| c == '0') && zeros > 1 {
            // `5 00`
            (self.end, self.digits) = (self.end + 1 + zeros, Digits::Unreadable);
            return;
        }
        let money = self.unit.currency.is_some();
        if money && is(text, self.end, |c| c == ' ') && digit(text, self.end + 1) {
            // `$ 5 0 0`, `£5 10s`
            self.end += 1 + (self.end + 1..).take_while(|i| digit(text, *i)).count();
            self.digits = Digits::Unreadable;
            return;
        }
        let comma = skip_spaces(text, self.end);
        let group = skip_spaces(text, comma + 1);
        let spaced = comma > self.end || group > comma + 1;
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
