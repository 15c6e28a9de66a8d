//! Numbers spelt in English words.

/// Words read as one number: where it ends, and its value as digits and a power of ten. The power
/// is that of the multipliers behind a small number, so that "five to six hundred" can share it.
#[derive(Debug, PartialEq)]
pub(crate) struct Spelt {
    pub end: usize,
    /// `None` where the words make no number ("several hundred", "twenty thirty").
    pub digits: Option<String>,
    pub power: i32,
    /// Whether the last word is an ordinal: `forty-second`.
    pub ordinal: bool,
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
const TENS: [&str; 8] =
    ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
const ORDINALS: [&str; 10] =
    ["", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"];
/// Words that may follow `a grand`, which is then no `grand total`.
const BEHIND_GRAND: [&str; 16] = [
    "", "for", "to", "and", "or", "is", "would", "as", "at", "in", "on", "a", "per", "each", "if",
    "with",
];
const SCALES: [(&str, u32); 6] = [
    ("hundred", 2),
    ("thousand", 3),
    ("grand", 3),
    ("million", 6),
    ("billion", 9),
    ("trillion", 12),
];

#[derive(Debug, Clone, Copy, PartialEq)]
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

/// The value of a word below a hundred.
pub(super) fn small(word: &str) -> Option<u64> {
    match meaning(word)? {
        Word::One(value) | Word::Ten(value) => Some(value),
        Word::Scale(_) => None,
    }
}

/// The power of ten that a word multiplies by.
pub(super) fn scale(word: &str) -> Option<u32> {
    SCALES.iter().find(|own| own.0 == word).map(|own| own.1)
}

/// Whether a number word begins like this: `fif`.
pub(super) fn begins_number(part: &str) -> bool {
    let scales = SCALES.iter().map(|(word, _)| *word);
    ONES.into_iter().chain(TENS).chain(scales).any(|word| word.starts_with(part))
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

/// Reads the number words that begin at `start`, the beginning of a word. After "between", "and"
/// may join two numbers. A lonely "one" is none: it is a pronoun more often.
pub(crate) fn spelt(text: &[char], start: usize, between: bool) -> Option<Spelt> {
    let at = |from: usize| {
        let (own, end) = word(text, from);
        (meaning(&own), own, end)
    };
    // "a hundred", "half a million"
    let (first, first_end) = word(text, start);
    let scaled_from = match first.as_str() {
        "a" | "an" => Some(next(text, first_end)),
        "half" => {
            let behind = next(text, first_end);
            let (article, end) = word(text, behind);
            Some(if article == "a" { next(text, end) } else { behind })
        }
        _ => None,
    };
    if scaled_from.is_some_and(|from| !matches!(at(from).0, Some(Word::Scale(_)))) {
        return None;
    }
    let (mut from, mut end) = (scaled_from.unwrap_or(start), start);
    let mut words: Vec<Word> = if first.starts_with('a') { vec![Word::One(1)] } else { Vec::new() };
    let (mut tail, mut ordinal) = (String::new(), false);
    if first == "grand" {
        return None;
    }
    loop {
        let (meant, own, own_end) = at(from);
        let behind = next(text, own_end);
        let follows = at(behind);
        match (meant, own.as_str()) {
            (Some(meant), _) => {
                words.push(meant);
                end = own_end;
            }
            (None, "and")
                if end > start && follows.1 == "a" && at(next(text, follows.2)).1 == "half" =>
            {
                (tail, end) = (".5".into(), at(next(text, follows.2)).2);
            }
            (None, "and")
                if matches!(words.last(), Some(Word::Scale(_)))
                    && !matches!(follows.0, None | Some(Word::Scale(_))) =>
            {
                // "five hundred and six"; but "between five hundred and six hundred".
                let scaled = matches!(at(next(text, follows.2)).0, Some(Word::Scale(_)));
                let tens =
                    matches!(at(next(text, at(next(text, follows.2)).2)).0, Some(Word::Scale(_)));
                if between && (scaled || tens) {
                    break;
                }
            }
            // "one hundred and first"
            (None, "and")
                if matches!(words.last(), Some(Word::Scale(_)))
                    && ORDINALS.iter().skip(1).any(|word| *word == follows.1) =>
            {
                let unit = ORDINALS.iter().position(|word| *word == follows.1).unwrap_or_default();
                words.push(Word::One(unit as u64));
                (end, ordinal) = (follows.2, true);
                break;
            }
            (None, "point") if end > start && matches!(follows.0, Some(Word::One(0..=9))) => {
                tail.push('.');
                let mut digit = follows;
                while let (Some(Word::One(n @ 0..=9)), _, digit_end) = digit {
                    tail += &n.to_string();
                    end = digit_end;
                    digit = at(next(text, digit_end));
                }
            }
            (None, own) if matches!(words.last(), Some(Word::Ten(_) | Word::Scale(2))) => {
                let unit = ORDINALS.iter().position(|word| *word == own && !own.is_empty());
                let Some(unit) = unit else { break };
                words.push(Word::One(unit as u64));
                (end, ordinal) = (own_end, true);
                break;
            }
            _ => break,
        }
        from = next(text, end.max(own_end));
        if from == own_end && from == end {
            break;
        }
    }
    if end == start {
        return None;
    }
    if first == "a" && words.as_slice() == [Word::One(1), Word::Scale(3)] {
        let (last, _) = word(text, end.saturating_sub("grand".len()));
        let behind = at(next(text, end)).1;
        if last == "grand" && !BEHIND_GRAND.contains(&behind.as_str()) {
            return None;
        }
    }
    if let ([Word::One(1)], true, true) = (words.as_slice(), tail.is_empty(), first == "one") {
        let (_, joins, joins_end) = at(next(text, end));
        let (then, and, _) = at(next(text, joins_end));
        let year = joins == "year" && and == "and";
        let number = then.is_some() || joins == "out" || year;
        if !(number && ["to", "or", "and", "in", "out", "year"].contains(&joins.as_str())) {
            return None;
        }
    }
    let scales = words.iter().skip_while(|own| !matches!(own, Word::Scale(_)));
    let plain = scales.clone().all(|own| matches!(own, Word::Scale(_)));
    let power: u32 = scales.map(|own| if let Word::Scale(scale) = own { *scale } else { 0 }).sum();
    let small: Vec<Word> =
        words.iter().copied().take_while(|own| !matches!(own, Word::Scale(_))).collect();
    let found = if first == "half" {
        (plain && small.is_empty()).then(|| ("0.5".to_owned(), power))
    } else if !tail.is_empty() {
        value(&small).filter(|_| plain).map(|whole| (format!("{whole}{tail}"), power))
    } else {
        value(&words).map(|all| match value(&small) {
            Some(small) if plain => (small.to_string(), power),
            _ => (all.to_string(), 0),
        })
    };
    let (digits, power) = found.map_or((None, 0), |(digits, power)| (Some(digits), power as i32));
    Some(Spelt { end, digits, power, ordinal })
}

/// What words come to, if they make one number: "two hundred fifty thousand", but neither "twenty
/// thirty" nor "hundred".
fn value(words: &[Word]) -> Option<u64> {
    let (mut total, mut current, mut least) = (0u64, None::<u64>, u32::MAX);
    let mut last = None;
    for own in words {
        current = match (*own, last, current) {
            (Word::One(n) | Word::Ten(n), _, None) => Some(n),
            (Word::One(n @ 1..=9), Some(Word::Ten(_)), Some(c)) => Some(c + n),
            (Word::One(n) | Word::Ten(n), Some(Word::Scale(2)), Some(c)) => Some(c + n),
            (Word::Scale(2), _, Some(c @ 1..=99)) => Some(100 * c),
            (Word::Scale(scale @ 3..), _, Some(c @ 1..)) if scale < least => {
                total = total.checked_add(c.checked_mul(10u64.checked_pow(scale)?)?)?;
                least = scale;
                None
            }
            _ => return None,
        };
        last = Some(*own);
    }
    if words.is_empty() { None } else { total.checked_add(current.unwrap_or(0)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, Option<f64>)> {
        let chars: Vec<char> = text.chars().collect();
        let own = spelt(&chars, 0, false)?;
        let value = own.digits.map(|digits| format!("{digits}e{}", own.power).parse().unwrap());
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
            ("one million and two hundred thousand", "", 1_200_000.0),
            ("five thousand and six hundred", "", 5600.0),
            ("two and a half million", "", 2_500_000.0),
            ("one point five million", "", 1_500_000.0),
            ("half million", "", 500_000.0),
            ("a million and a half", "", 1_500_000.0),
            ("one to two", " to two", 1.0),
            ("zero", "", 0.0),
        ];
        for (text, rest, value) in cases {
            assert_eq!(read(text), Some((rest.to_owned(), Some(value))), "{text}");
        }
        let odd = [
            "hundred",
            "twenty thirty",
            "five six",
            "five hundred and six hundred",
            "zero thousand",
            "trillion hundred billion",
            "two thousand three thousand",
        ];
        for text in odd {
            assert_eq!(read(text), Some((String::new(), None)), "{text}");
        }
        for text in
            ["one", "a", "a car", "half", "half of it", "and five", "hello", "thousands", ""]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
