//! Words around a number that tell what it is for.

use super::digits::NARROW_SPACES;
use super::period::Period;

/// Words that may stand before a number without changing it.
pub(super) const HEDGES: [&str; 23] = [
    "the",
    "about",
    "around",
    "roughly",
    "approximately",
    "approx",
    "circa",
    "ca",
    "maybe",
    "perhaps",
    "nearly",
    "almost",
    "say",
    "probably",
    "likely",
    "somewhere",
    "anywhere",
    "up",
    "only",
    "just",
    "an",
    "estimated",
    "possibly",
];
/// Words that a number is sometimes written onto: `around900`.
const GLUED: [&str; 30] = [
    "about",
    "around",
    "roughly",
    "approximately",
    "approx",
    "circa",
    "maybe",
    "perhaps",
    "nearly",
    "almost",
    "say",
    "only",
    "just",
    "offer",
    "offering",
    "pay",
    "paying",
    "bid",
    "be",
    "is",
    "at",
    "for",
    "of",
    "between",
    "from",
    "to",
    "and",
    "or",
    "under",
    "over",
];
/// Amounts that an adjective may say the period of: `a monthly rent of $900`.
const AMOUNTS: [&str; 22] = [
    "salary",
    "wage",
    "wages",
    "pay",
    "rate",
    "rent",
    "income",
    "fee",
    "payment",
    "compensation",
    "stipend",
    "budget",
    "price",
    "cost",
    "amount",
    "offer",
    "allowance",
    "earnings",
    "base",
    "gross",
    "starting",
    "net",
];

/// The words before a place, nearest first, in small letters, back to the last number or to where
/// the sentence begins.
pub(super) fn words_before(text: &[char], place: usize, most: usize) -> Vec<String> {
    let (mut words, mut at) = (Vec::new(), place);
    while words.len() < most && at > 0 {
        let Some(c) = text.get(at - 1) else { break };
        if c.is_ascii_digit() || ".!?;\n".contains(*c) {
            break;
        }
        let end = at;
        while at > 0 && text.get(at - 1).is_some_and(|c| c.is_alphabetic() || "'’".contains(*c)) {
            at -= 1;
        }
        if at == end {
            at -= 1;
        } else {
            words.push(small(text, at, end));
        }
    }
    words
}

/// The word at a place, in small letters, and where it ends.
pub(super) fn word_at(text: &[char], start: usize) -> (String, usize) {
    let length = text.iter().skip(start).take_while(|c| c.is_alphanumeric()).count();
    (small(text, start, start + length), start + length)
}

fn small(text: &[char], start: usize, end: usize) -> String {
    text.get(start..end).unwrap_or_default().iter().flat_map(|c| c.to_lowercase()).collect()
}

/// Whether "between" stands before, with nothing but hedges behind it.
pub(super) fn opens_between(text: &[char], start: usize) -> bool {
    let words = words_before(text, start, 5);
    let between = ["between", "zwischen", "entre", "tra", "fra", "mellan", "mellom", "tussen"];
    let first = words.iter().find(|word| !HEDGES.contains(&word.as_str()));
    first.is_some_and(|word| between.contains(&word.as_str()))
}

/// Whether the text between two numbers makes them a range.
pub(super) fn connects(between: &[char], after_between: bool) -> bool {
    if between.contains(&'\n') {
        return false;
    }
    let text: String = between.iter().flat_map(|c| c.to_lowercase()).collect();
    // `18- to 24-month`
    let text = text.strip_prefix("- to").map_or(text.clone(), |rest| format!("to{rest}"));
    let mut words = text.split_whitespace().map(|word| word.trim_matches(['*', '.', ',', '(']));
    let plain = text.trim().trim_matches('*').trim();
    if ["至", "到", "から", "에서", "부터", "a"].contains(&plain) {
        return true;
    }
    if ["-", "–", "—", "−", "‑", "~", "..", "...", "…"].contains(&plain) {
        return true;
    }
    let mut dash = text.trim().chars();
    let dashed = dash.next().is_some_and(|c| "-–—−~".contains(c));
    let first = if dashed { words.next() } else { words.find(|word| *word != "up") };
    let joins = match first {
        Some(
            "to" | "through" | "till" | "bis" | "à" | "до" | "tot" | "až" | "até" | "hasta" | "do",
        ) => true,
        Some("and" | "&" | "und" | "et" | "y" | "e" | "och" | "og" | "en") => after_between,
        Some(word) => dashed && word.chars().all(|c| "-–—−~".contains(c)),
        None => false,
    };
    joins && words.all(|word| HEDGES.contains(&word) || word == "~" || word == "≈")
}

/// Whether the word behind a number makes it a count of digits: `six figures`.
pub(super) fn counts_digits(text: &[char], end: usize) -> bool {
    let (behind, _) = word_at(text, skip_spaces(text, end));
    ["figure", "figures", "digit", "digits"].contains(&behind.as_str())
}

/// Whether a number may be written onto this word.
pub(super) fn takes_glued(text: &[char], end: usize) -> bool {
    let mut start = end;
    while start > 0 && text.get(start - 1).is_some_and(|c| c.is_alphabetic()) {
        start -= 1;
    }
    let whole = start == 0 || text.get(start - 1).is_some_and(|c| !c.is_alphanumeric());
    whole && GLUED.contains(&small(text, start, end).as_str())
}

/// The period that an adjective before an amount says: `a monthly rent of $900`.
pub(super) fn period_before(text: &[char], start: usize) -> Option<Period> {
    let words = words_before(text, start, 6);
    let amount = |word: &str| AMOUNTS.contains(&word);
    words.windows(2).enumerate().find_map(|(i, pair)| {
        let [noun, adjective] = pair else { return None };
        let period = Period::of_adverb(adjective).filter(|_| amount(noun))?;
        Some(period.with_prefix(words.get(i + 2).map_or("", String::as_str)))
    })
}

/// The first character that is no space of the same line.
pub(super) fn skip_spaces(text: &[char], start: usize) -> usize {
    start + text.iter().skip(start).take_while(|c| is_space(**c)).count()
}

/// The first character behind spaces and markup.
pub(super) fn skip_marks(text: &[char], end: usize) -> usize {
    let mut at = end;
    while text.get(at).is_some_and(|c| " *_`\"')]’”".contains(*c)) {
        at += 1;
    }
    at
}

pub(super) fn is_space(c: char) -> bool {
    (c.is_whitespace() && c != '\n') || NARROW_SPACES.contains(c)
}

/// Whether the script of a character sets no spaces between words.
pub(super) fn is_spaceless(c: char) -> bool {
    matches!(c, '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}')
}

/// Whether the character at a place is one that passes.
pub(super) fn is(text: &[char], at: usize, test: impl Fn(char) -> bool) -> bool {
    text.get(at).is_some_and(|&c| test(c))
}

/// Whether a digit stands at a place.
pub(super) fn digit(text: &[char], at: usize) -> bool {
    is(text, at, |c| c.is_ascii_digit())
}
