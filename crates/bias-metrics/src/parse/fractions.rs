//! Fractions in words: `a quarter of a million`, `two thirds`.

use super::cues::{skip_spaces, word_at, words_before};
use super::number_words::{scale, small};

/// A fraction that is spelt in words.
#[derive(Debug, PartialEq)]
pub(super) struct Fraction {
    /// Where it ends.
    pub end: usize,
    /// What it is a fraction of, and the number where it has finitely many decimals.
    pub of: Option<Option<(String, i32)>>,
}

const PARTS: [(&str, u64); 14] = [
    ("half", 2),
    ("halve", 2),
    ("third", 3),
    ("quarter", 4),
    ("fourth", 4),
    ("fifth", 5),
    ("sixth", 6),
    ("seventh", 7),
    ("eighth", 8),
    ("ninth", 9),
    ("tenth", 10),
    ("hundredth", 100),
    ("thousandth", 1000),
    ("millionth", 1_000_000),
];

/// The fraction that begins here. Without a magnitude that it is a part of, it is no number.
pub(super) fn fraction(text: &[char], start: usize) -> Option<Fraction> {
    let (first, first_end) = word_at(text, start);
    let part = |word: &str| {
        let one = word.strip_suffix('s').unwrap_or(word);
        PARTS.iter().find(|(name, _)| *name == one).map(|(_, of)| *of)
    };
    let joined = |end: usize| match text.get(end) {
        Some('-' | '‑') => end + 1,
        _ => skip_spaces(text, end),
    };
    let count = if ["a", "an"].contains(&first.as_str()) { Some(1) } else { small(&first) };
    let (count, of, end) = match count {
        Some(count) => {
            let (second, end) = word_at(text, joined(first_end));
            // "ninety-ninth" is a rank.
            let rank = count >= 20 && !second.ends_with('s') && !second.ends_with("dth");
            (count, part(&second).filter(|_| !rank)?, end)
        }
        // "half of a million", "quarter million"; "half a million" is read as a number.
        None => {
            (1, part(&first).filter(|_| ["half", "quarter"].contains(&first.as_str()))?, first_end)
        }
    };
    let (mut next, mut at) = word_at(text, joined(end));
    let whole = next == "of";
    if whole {
        (next, at) = word_at(text, skip_spaces(text, at));
        if ["a", "an", "one"].contains(&next.as_str()) {
            (next, at) = word_at(text, skip_spaces(text, at));
        }
    }
    let Some(power) = scale(&next) else {
        // "a half" and "half" of something else are read elsewhere, or not at all.
        return (count > 1 || of != 2).then_some(Fraction { end, of: None });
    };
    if first == "half" && !whole {
        return None;
    }
    // "one and a quarter million", "half to three quarters of a million": a part of a number.
    let before = words_before(text, start, 2);
    let alone = match before.as_slice() {
        [and, ..] if and == "and" => false,
        [to, low] if to == "to" => part(low).is_none(),
        _ => true,
    };
    // In ten-thousandths, which halves, quarters, fifths, eighths and tenths fill.
    let exact = alone && (10_000 * count).is_multiple_of(of);
    let digits = (10_000 * count / of).to_string();
    Some(Fraction { end: at, of: Some(exact.then_some((digits, power as i32 - 4))) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_of_magnitudes_are_numbers() {
        let read = |text: &str| {
            let chars: Vec<char> = text.chars().collect();
            fraction(&chars, 0).map(|own| {
                own.of.flatten().map(|(d, p)| format!("{d}e{p}").parse::<f64>().unwrap())
            })
        };
        let cases = [
            ("a quarter of a million", Some(Some(250_000.0))),
            ("three quarters of a million", Some(Some(750_000.0))),
            ("half of a million", Some(Some(500_000.0))),
            ("quarter million", Some(Some(250_000.0))),
            ("a third of a million", Some(None)),
            ("two thirds", Some(None)),
            ("five eighths", Some(None)),
            ("ten thousandth", Some(None)),
            ("half a million", None),
            ("a half", None),
            ("twenty-five", None),
            ("ninety-ninth", None),
            ("a car", None),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
