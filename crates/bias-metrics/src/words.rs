//! Numbers spelt in English words.

/// Words read as one number: where it ends, and its value as digits and a power of ten. The power is that of the
/// multipliers at its end, so that "five to six hundred" can share it.
#[derive(Debug, PartialEq)]
pub(crate) struct Spelt {
    pub end: usize,
    pub digits: String,
    pub power: i32,
}

const ONES: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
const SCALES: [(&str, u32); 6] =
    [("hundred", 2), ("thousand", 3), ("grand", 3), ("million", 6), ("billion", 9), ("trillion", 12)];

#[derive(Clone, Copy, PartialEq)]
enum Word {
    One(u64),
    Ten(u64),
    Scale(u32),
}

fn meaning(word: &str) -> Option<Word> {
    let at = |list: &[&str]| list.iter().position(|own| *own == word).map(|i| i as u64);
    at(&ONES)
        .map(Word::One)
        .or_else(|| at(&TENS).map(|i| Word::Ten(10 * (i + 2))))
        .or_else(|| SCALES.iter().find(|own| own.0 == word).map(|own| Word::Scale(own.1)))
}

/// The word at `start` in small letters, and its end.
fn word(text: &[char], start: usize) -> (String, usize) {
    let letters = text.iter().skip(start).take_while(|c| c.is_alphabetic());
    let word: String = letters.flat_map(|c| c.to_lowercase()).collect();
    let end = start + text.iter().skip(start).take_while(|c| c.is_alphabetic()).count();
    (word, end)
}

/// Where the next word of the same number could begin: behind spaces or one hyphen.
fn next(text: &[char], end: usize) -> usize {
    match text.get(end) {
        Some('-' | '‑') => end + 1,
        _ => end + text.iter().skip(end).take_while(|c| **c == ' ').count(),
    }
}

/// Reads a number that begins at `start`, the beginning of a word. A lonely "one" is none: it is a pronoun more often.
pub(crate) fn spelt(text: &[char], start: usize) -> Option<Spelt> {
    let (first, first_end) = word(text, start);
    // "a hundred", "half a million"
    let (mut at, half, article) = match first.as_str() {
        "a" | "an" => (next(text, first_end), false, true),
        "half" => {
            let (article, end) = word(text, next(text, first_end));
            (if article == "a" { next(text, end) } else { return None }, true, true)
        }
        _ => (start, false, false),
    };
    let (mut total, mut current, mut end, mut power, mut words) = (0u64, 0u64, None, 0u32, 0);
    let mut last: Option<Word> = None;
    if article {
        let scale = matches!(meaning(&word(text, at).0), Some(Word::Scale(_)));
        (current, last) = if scale { (1, Some(Word::One(1))) } else { return None };
    }
    loop {
        let (mut own, mut own_end) = word(text, at);
        if let (Some(Word::Scale(before)), "and") = (last, own.as_str()) {
            // "five hundred and six (thousand)", but not "five hundred and six hundred".
            let after = next(text, own_end);
            let (small, small_end) = word(text, after);
            let follows = meaning(&word(text, next(text, small_end)).0);
            let anew = matches!(follows, Some(Word::Scale(after)) if after <= before);
            if matches!(meaning(&small), Some(Word::One(_) | Word::Ten(_))) && !anew {
                (own, own_end) = (small, small_end);
            }
        }
        let Some(meant) = meaning(&own) else { break };
        match (last, meant) {
            (None | Some(Word::Scale(_)), Word::One(n) | Word::Ten(n)) if current % 100 == 0 => current += n,
            (Some(Word::Ten(_)), Word::One(n @ 1..=9)) => current += n,
            (_, Word::Scale(2)) if current < 100 => current = current.max(1) * 100,
            (_, Word::Scale(scale @ 3..)) if total == 0 || current > 0 => {
                // Scales fall: "two million three thousand".
                let factor = 10u64.pow(scale);
                if total > 0 && total % (factor * 1000) != 0 {
                    break;
                }
                total = total.checked_add(current.max(1).checked_mul(factor)?)?;
                current = 0;
            }
            _ => break,
        }
        power = match meant {
            Word::Scale(scale) => power + scale,
            _ => 0,
        };
        (last, end, words) = (Some(meant), Some(own_end), words + 1);
        at = next(text, own_end);
        if at == own_end {
            break;
        }
    }
    let end = end?;
    let value = total.checked_add(current)?;
    if words == 1 && value == 1 && !article {
        return None;
    }
    let unit = 10u64.pow(power);
    if half {
        return Some(Spelt { end, digits: format!("{}", 0.5 * (value / unit) as f64), power: power as i32 });
    }
    // Only what stands before multipliers at the end: "two hundred fifty" has none.
    let (digits, power) = if value % unit == 0 { (value / unit, power) } else { (value, 0) };
    Some(Spelt { end, digits: digits.to_string(), power: power as i32 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, f64)> {
        let chars: Vec<char> = text.chars().collect();
        let own = spelt(&chars, 0)?;
        let value = format!("{}e{}", own.digits, own.power).parse().unwrap();
        Some((chars[own.end..].iter().collect(), value))
    }

    #[test]
    fn numbers_end_where_their_words_end() {
        let cases = [
            ("five hundred dollars", " dollars", 500.0),
            ("twenty-five", "", 25.0),
            ("Two hundred and fifty thousand.", ".", 250_000.0),
            ("one hundred twenty three", "", 123.0),
            ("a hundred", "", 100.0),
            ("half a million", "", 500_000.0),
            ("two million three hundred thousand", "", 2_300_000.0),
            ("one thousand one", "", 1001.0),
            ("five hundred and six hundred", " and six hundred", 500.0),
            ("twenty thirty", " thirty", 20.0),
            ("five six", " six", 5.0),
            ("hundred", "", 100.0),
            ("zero", "", 0.0),
        ];
        for (text, rest, value) in cases {
            assert_eq!(read(text), Some((rest.to_owned(), value)), "{text}");
        }
        for text in ["one", "a", "a car", "half", "half of it", "and five", "hello", "thousands", ""] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
